import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { inTransaction, type Queryable, rows } from '../../base/database.ts';
import { hasCode, messageOf } from '../../base/errors.ts';
import { PanguError } from '../contract.ts';
import type { LedgerKind } from '../core/ledger.ts';
import { RANDOM_PLACE_MS, type RandomPlace } from '../random-contract.ts';
import { discardReplicas, NODES, toReplica } from './chunks.ts';
import type { MasterContext } from './context.ts';
import { assertEpoch } from './lease.ts';

/**
 * Which replicas of a chunk of a `random` file count.
 *
 * A write is acknowledged when all replicas that the rows name have it, so each of them has all that was acknowledged, and any one is enough. One that missed a
 * write must not be read again. So before the writer goes on without it:
 *
 *   1. one transaction: the chunk's version grows, and the row of that replica goes. Rows name replicas of the present version alone
 *   2. the others are told the version; they refuse who comes with an older one, such as a write that was on its way
 *   3. that replica is removed from its disk, so that nobody who still knows of it can read it. When its server does not answer, this waits until nobody
 *      believes in it any more: a reader asks a master again after `RANDOM_PLACE_MS`
 *
 * A replica that was not told, since this master died in between, still has all that was acknowledged: nothing was under the new version. It is refused by
 * whoever knows the new version, and told by whoever comes next.
 */
export interface RandomRow {
  chunk: string;
  file: string;
  index: number;
  /** 0 until it is made on its servers; then as long as chunks of its file are, or where it is still to be cut. */
  length: number;
  version: number;
  wanted: number;
  minReplicas: number;
  chunkBytes: number;
  epoch: number;
  open: boolean;
  nodes: string[];
}

/** Of chunk `c` of file `i`. */
export const RANDOM_COLUMNS = sql`
  c.id as chunk, c.file, c.index, c.length, c.version, i.replicas as wanted, i.min_replicas as "minReplicas", i.chunk_bytes as "chunkBytes", i.epoch,
  i.state = 'open' as open, ${NODES} as nodes`;

const TELL_TIMEOUT_MS = 3_000;
const RETIRE_TIMEOUT_MS = 1_000;
/** Clocks of readers may run a little slower than ours. */
const WAIT_SHARE = 1.25;

export interface BumpWish {
  chunk: string;
  /** As it was seen; another one by now is left as it is. */
  version: number;
  survivors: readonly string[];
  epoch?: number;
  leastReplicas?: number;
  /** For the ledger. @default a writer goes on without the others */
  why?: { kind: LedgerKind; cause: string };
}

const MISSED = { kind: 'replicaMissed', cause: 'it missed a write, or did not hear of a version' } as const;

export async function findRandomChunk(db: Queryable, chunk: string): Promise<RandomRow | undefined> {
  const [row] = await rows<RandomRow>(
    db,
    sql`select ${RANDOM_COLUMNS} from pangu.chunks c join pangu.inodes i on i.id = c.file where c.id = ${chunk} and i.kind = 'random'`,
  );
  return row;
}

export function placeOf(context: MasterContext, { chunk, index, version, wanted, nodes }: RandomRow): RandomPlace {
  return { chunk, index, version, wanted, replicas: [...nodes].sort().map((node) => toReplica(context, node)) };
}

/**
 * `epoch`: of the writer that asks; undefined: a master that has seen to it that nobody writes. Replicas that cannot be told do not survive either.
 * Errors: ENOENT, ESTALE, EIO (fewer than `minReplicas` are left; nothing has changed, unless some could not be told).
 */
export async function keepReplicas(context: MasterContext, wish: BumpWish): Promise<RandomRow> {
  let { version, survivors } = wish;
  for (;;) {
    const { row, dropped } = await inTransaction(context.db, (tx) => bump(tx, { ...wish, version, survivors }));
    const [failed] = await Promise.all([tellVersion(context, row), retire(context, row.chunk, dropped)]);
    context.log.info({ chunk: row.chunk, version: row.version, nodes: row.nodes, dropped, untold: failed }, 'random.version');
    if (failed.length === 0) return row;
    ({ version } = row);
    survivors = row.nodes.filter((node) => !failed.includes(node));
  }
}

async function bump(tx: Queryable, wish: BumpWish): Promise<{ row: RandomRow; dropped: string[] }> {
  await tx.execute(sql`select i.id from pangu.inodes i join pangu.chunks c on c.file = i.id where c.id = ${wish.chunk} for share of i`);
  await tx.execute(sql`select id from pangu.chunks where id = ${wish.chunk} for update`);
  const row = await findRandomChunk(tx, wish.chunk);
  if (!row) throw new PanguError('ENOENT', 'the chunk was removed');
  assertEpoch(row, wish.epoch);
  if (row.version !== wish.version) {
    // Somebody was here since, maybe this very call: what that one has yet to do is done before anybody is told that it is done.
    const garbage = await rows<{ node: string }>(tx, sql`select node from pangu.garbage where chunk = ${row.chunk}`);
    return { row, dropped: garbage.map(({ node }) => node) };
  }
  const survivors = row.nodes.filter((node) => wish.survivors.includes(node));
  const least = Math.max(1, wish.leastReplicas ?? row.minReplicas);
  if (survivors.length < least)
    throw new PanguError('EIO', `${survivors.length} replicas of chunk ${row.chunk} are left, ${least} are wanted`, {
      details: { chunk: row.chunk, file: row.file },
    });
  const dropped = row.nodes.filter((node) => !survivors.includes(node));
  await tx.execute(sql`update pangu.chunks set version = version + 1 where id = ${row.chunk}`);
  await discardReplicas(
    tx,
    dropped.map((node) => ({ chunk: row.chunk, node })),
    wish.why ?? MISSED,
  );
  return { row: { ...row, version: row.version + 1, nodes: survivors }, dropped };
}

/** One whose bytes are wrong, when another is good. @returns false: not of a chunk of a `random` file. */
export async function dropRandomReplica(context: MasterContext, chunk: string, node: string, cause: string): Promise<boolean> {
  const row = await findRandomChunk(context.db, chunk);
  if (!row) return false;
  const survivors = row.nodes.filter((other) => other !== node);
  if (survivors.length < row.nodes.length)
    await keepReplicas(context, { chunk, version: row.version, survivors, leastReplicas: 1, why: { kind: 'replicaBad', cause } });
  return true;
}

/** @returns nodes that could not be told. */
export async function tellVersion(
  context: MasterContext,
  { chunk, version, nodes }: Pick<RandomRow, 'chunk' | 'version' | 'nodes'>,
): Promise<string[]> {
  const told = await Promise.all(nodes.map((node) => askVersion(context, node, { chunk, version })));
  return nodes.filter((_, i) => told[i] === undefined);
}

/** How a replica is, which refuses older versions from now on; undefined when it does not say so. */
export async function askVersion(
  { chunkServers, chunkServerAt, log }: MasterContext,
  node: string,
  { chunk, version }: { chunk: string; version: number },
): Promise<{ node: string; end: number; digest: number } | undefined> {
  const server = chunkServers.get(node);
  if (!server) return undefined;
  try {
    return { node, ...(await chunkServerAt(server.address).randomSetVersion({ node, chunk, version }, { timeoutMs: TELL_TIMEOUT_MS })) };
  } catch (error) {
    log.warn({ chunk, node, version, error: messageOf(error) }, 'random.version.untold');
    return undefined;
  }
}

/** Nobody reads these any more when it returns. */
export async function retire({ chunkServers, chunkServerAt }: MasterContext, chunk: string, nodes: readonly string[]): Promise<void> {
  const sinceMs = performance.now();
  const retired = await Promise.all(
    nodes.map(async (node) => {
      const server = chunkServers.get(node);
      if (!server) return false;
      return chunkServerAt(server.address)
        .delete({ node, chunks: [chunk] }, { timeoutMs: RETIRE_TIMEOUT_MS })
        .then(
          () => true,
          (error) => hasCode(error, 'WrongNode'),
        );
    }),
  );
  if (retired.includes(false)) await placesForgotten(performance.now() - sinceMs);
}

/** Until what anybody knew of places so long ago is not believed any more. */
export async function placesForgotten(sinceMs = 0): Promise<void> {
  const waitMs = RANDOM_PLACE_MS * WAIT_SHARE - sinceMs;
  if (waitMs > 0) await delay(waitMs);
}
