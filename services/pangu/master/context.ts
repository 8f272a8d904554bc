import type { Database } from '../../base/database.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { ServiceClient } from '../../kuafu/contract.ts';
import type { ChunkServerContract } from '../chunk-contract.ts';
import type { PlacementNode } from '../core/placement.ts';
import type { Tickets } from '../tickets.ts';
import type { Writers } from './lease.ts';

export interface ChunkServerInfo extends PlacementNode {
  address: string;
}

/** The chunk servers that are registered now. */
export interface ChunkServers {
  list(): ChunkServerInfo[];
  get(node: string): ChunkServerInfo | undefined;
}

/** What a master's operations work with. */
export interface MasterContext {
  readonly cluster: string;
  readonly db: Database;
  readonly chunkServers: ChunkServers;
  /** To call the chunk server at an address. */
  chunkServerAt(address: string): ServiceClient<ChunkServerContract>;
  /** Counts a replica that was dropped because its bytes were wrong. */
  replicaDropped?(): void;
  /** Absent where nobody asks who calls. */
  readonly tickets?: Tickets;
  /** Absent where nobody keeps leases: then every writer is held to be there. */
  readonly writers?: Writers;
  readonly random: Random;
  readonly log: Logger;
}
