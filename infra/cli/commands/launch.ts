import type { Command } from 'commander';
import { type LaunchRequest, runLauncher } from '../../cluster/launcher.ts';

/** Not for people: the process that `feitian up` leaves in the background. */
export function register(program: Command): void {
  program
    .command('launch', { hidden: true })
    .argument('<request>')
    .action(async (request: string) => {
      process.exit(await runLauncher(JSON.parse(request) as LaunchRequest));
    });
}
