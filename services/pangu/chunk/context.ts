import type { Logger } from '../../base/log.ts';
import type { ServiceClient } from '../../kuafu/contract.ts';
import { ChunkError, type ChunkServerContract } from '../chunk-contract.ts';
import type { ChunkStore } from './chunk-store.ts';
import type { Draining } from './draining.ts';
import type { Logs } from './log/logs.ts';
import type { ChunkPermission } from './permission.ts';
import type { RandomStore } from './random/random-store.ts';

/** Figures of this server in its registration. */
export type Attributes = Record<string, number | boolean | string>;

/** What a chunk server's operations work with. */
export interface ChunkServerContext {
  readonly node: string;
  readonly store: ChunkStore;
  readonly logs: Logs;
  /** Chunks of random files. */
  readonly random: RandomStore;
  readonly draining: Draining;
  /** Absent where nobody asks who calls. */
  readonly permission?: ChunkPermission;
  /** Tells others what changed about this server. */
  announce(attributes: Attributes): Promise<void>;
  chunkServerAt(address: string): ServiceClient<ChunkServerContract>;
  readonly log: Logger;
}

export function checkNode(context: ChunkServerContext, request: { node: string }): void {
  if (request.node !== context.node) throw new ChunkError('WrongNode', `this is ${context.node}, not ${request.node}`);
}
