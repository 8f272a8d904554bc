import type { Database } from '../../base/database.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { ServiceClient } from '../../kuafu/contract.ts';
import type { NuwaClient } from '../../nuwa/contract.ts';
import type { ChunkServerContract } from '../chunk-contract.ts';
import type { DiskSpace } from '../core/disk-space.ts';
import type { PlacementNode } from '../core/placement.ts';
import type { Tickets } from '../tickets.ts';
import type { Writers } from './lease.ts';
import type { Together } from './together.ts';

export interface ChunkServerInfo extends PlacementNode {
  address: string;
  /** Of the disks that take chunks; 0 where an older server does not tell. @default 0 */
  totalBytes?: number;
  disks?: readonly DiskSpace[];
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
  /** Absent where each call is to have statements of its own. */
  readonly together?: Together;
  readonly chunkServers: ChunkServers;
  /** To call the chunk server at an address. */
  chunkServerAt(address: string): ServiceClient<ChunkServerContract>;
  /** Counts a replica that was dropped because its bytes were wrong. */
  replicaDropped?(): void;
  /** Absent where operations run over tables alone. */
  readonly nuwa?: NuwaClient;
  /** Absent where nobody asks who calls. */
  readonly tickets?: Tickets;
  /** Absent where nobody keeps leases: then every writer is held to be there. */
  readonly writers?: Writers;
  readonly random: Random;
  readonly log: Logger;
}
