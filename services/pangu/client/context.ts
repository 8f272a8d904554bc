import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { ServiceClient } from '../../kuafu/contract.ts';
import type { ChunkServerContract } from '../chunk-contract.ts';
import type { Masters } from './masters.ts';

/** What the parts of a client share. */
export interface ClientContext {
  readonly masters: Masters;
  chunkServerAt(address: string): ServiceClient<ChunkServerContract>;
  /** The node this client runs on, if it is one of the cluster's. */
  readonly node?: string;
  readonly random: Random;
  readonly log: Logger;
  readonly failures: NodeFailures;
}

const FORGET_MS = 10_000;

/** Nodes that failed a moment ago: readers ask them last, writers ask for others. Time is passed in. */
export class NodeFailures {
  readonly #until = new Map<string, number>();

  note(node: string, nowMs: number): void {
    this.#until.set(node, nowMs + FORGET_MS);
  }

  isRecent(node: string, nowMs: number): boolean {
    const until = this.#until.get(node);
    if (until === undefined) return false;
    if (until > nowMs) return true;
    this.#until.delete(node);
    return false;
  }

  recent(nowMs: number): string[] {
    return [...this.#until.keys()].filter((node) => this.isRecent(node, nowMs));
  }
}
