import type { Command } from 'commander';
import { registerNodeVerbs } from './dayu-nodes.ts';

/** `feitian dayu …`. */
export function register(program: Command): void {
  registerNodeVerbs(program.command('dayu').description('nodes of the cluster'));
}
