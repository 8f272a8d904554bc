import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PanguClient } from '../../../services/pangu/contract.ts';
import { type PanguCluster, startPanguCluster } from '../../helpers/pangu-cluster.ts';
import { withPostgres } from '../../helpers/postgres.ts';

const NODES = ['n1', 'n2', 'n3'];
export const PIECE_BYTES = 1 << 20;

/**
 * A Pangu for figures: three chunk servers and a master, each a process, over a Postgres that syncs each commit; the client is this process. All share one disk and
 * the machine's processors, as the peers' servers do.
 */
export interface Stage {
  readonly cluster: PanguCluster;
  /** Of no node: what it reads comes through a socket. */
  readonly remote: PanguClient;
  /** Runs on a node that has a replica of everything. */
  readonly local: PanguClient;
  /** On the same disk, for what is measured without Pangu. */
  readonly directory: string;
  readonly bigBytes: number;
  readonly seconds: number;
  /** Bytes that no disk makes smaller. */
  readonly piece: Buffer;
  stop(): Promise<void>;
}

export async function openStage({ quick }: { quick: boolean }): Promise<Stage> {
  const directory = await mkdtemp(join(tmpdir(), 'feitian-bench-pangu-'));
  const postgres = await withPostgres({ durable: true });
  const cluster = await startPanguCluster({
    nodes: NODES.map((id, i) => ({ id, rack: `r${i}` })),
    processes: ['pangu-master', 'pangu-chunk'],
    databaseUrl: postgres.url,
  });
  return {
    cluster,
    remote: cluster.pangu,
    local: cluster.clientOn(NODES[0]!),
    directory,
    bigBytes: quick ? 1 << 28 : 1 << 30,
    seconds: quick ? 2 : 4,
    piece: randomBytes(PIECE_BYTES),
    stop: async () => {
      await cluster.stop();
      await postgres.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
