import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { ServiceClient } from '../../kuafu/contract.ts';
import type { ChunkServerContract } from '../chunk-contract.ts';
import type { NodeFailures } from '../core/node-failures.ts';
import type { Hedges } from './hedge.ts';
import type { WriterPresence } from './lease.ts';
import type { LocalChunks } from './local-chunks.ts';
import type { Masters } from './masters.ts';

/** What the parts of a client share. */
export interface ClientContext {
  readonly masters: Masters;
  chunkServerAt(address: string): ServiceClient<ChunkServerContract>;
  /** The node this client runs on, if it is one of the cluster's. */
  readonly node?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly failures: NodeFailures;
  /** Nodes that stood still a moment ago: readers ask them last. */
  readonly slow: NodeFailures;
  readonly hedges: Hedges;
  readonly local: LocalChunks;
  readonly presence: WriterPresence;
}
