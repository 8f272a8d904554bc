import { sql } from 'drizzle-orm';
import { type Database, inTransaction, type Queryable, rows } from '../../base/database.ts';
import { hasCode, messageOf } from '../../base/errors.ts';
import type { LogMark } from '../chunk-contract.ts';
import { PanguError } from '../contract.ts';
import type { LogPlace } from '../log-contract.ts';
import { discardChunks, discardReplicas, NODES, type PlacedChunk, placeChunk, toReplica } from './chunks.ts';
import type { MasterContext } from './context.ts';
import { type FrozenChunk, freezeChunk, sealAt } from './freeze-chunk.ts';
import { INODE_COLUMNS, type Inode } from './inodes.ts';

/**
 * A log is a file of kind `log`: sealed chunks, and at most one that is open, where its writers send their records. One of that chunk's nodes, the primary, puts them in order
 * (chunk/log/). When the chunk is full, or a node of it fails, or its primary was restarted, it ends, in the steps in which the file of a lost writer does (recover-file.ts):
 *
 *   1. claim    the file's `epoch` grows, so that of several who end the same chunk only the last records what it found
 *   2. freeze   on every replica that answers; a record is acknowledged when all have it on disk, so from here on none is
 *   3. seal     at the shortest of those that have anything of it: that is all that was acknowledged, and perhaps a batch more
 *   4. record   in one transaction: the chunk, which of its replicas count, where the last call of each writer came to stand (`log_marks`), and the next chunk
 *
 * A writer whose last call had no answer is told its mark with the next chunk: if it is that call's, the records are in, and it does not send them again. If it is not, they
 * are not and never will be: where they were under way is frozen.
 */
export interface OpenLogChunk {
  readonly file: Inode;
  readonly chunk: { id: string; index: number; offset: number; primary: string; nodes: string[] };
}

export type LogEnd = 'ended' | 'moved' | 'underway' | 'missing';

const CLAIM_MS = 20_000;

/** Of a log that is there; undefined while none of its chunks is open. */
export async function openChunkOf(db: Queryable, file: string): Promise<OpenLogChunk['chunk'] | undefined> {
  const [chunk] = await rows<OpenLogChunk['chunk']>(
    db,
    sql`
      select c.id, c.index, c."offset", c.primary_node as primary, ${NODES} as nodes
      from pangu.chunks c where c.file = ${file} and c.state = 'open' and c.primary_node is not null`,
  );
  return chunk;
}

export function toPlace(context: MasterContext, { id, index, offset, primary, nodes }: OpenLogChunk['chunk']): LogPlace {
  return { chunk: id, index, offset, primary, replicas: nodes.map((node) => toReplica(context, node)) };
}

/** The chunk in which the log goes on. In a transaction that holds the lock of the file's row. */
export async function addLogChunk(tx: Queryable, file: Inode, placed: PlacedChunk): Promise<OpenLogChunk['chunk']> {
  const primary = placed.nodes[0]!;
  const [chunk] = await rows<{ index: number; offset: number }>(
    tx,
    sql`
      insert into pangu.chunks (id, file, index, "offset", primary_node)
      select ${placed.chunk}, ${file.id}, coalesce(max(index) + 1, 0), coalesce(max("offset" + length), 0), ${primary}
      from pangu.chunks where file = ${file.id}
      returning index, "offset"`,
  );
  await tx.execute(sql`
    insert into pangu.replicas (chunk, node) select ${placed.chunk}, node from jsonb_array_elements_text(${JSON.stringify(placed.nodes)}::jsonb) node`);
  await tx.execute(sql`update pangu.inodes set state = 'open' where id = ${file.id} and state <> 'open'`);
  return { id: placed.chunk, primary, nodes: placed.nodes, ...chunk! };
}

export async function lockLog(tx: Queryable, file: string): Promise<Inode> {
  const [inode] = await rows<Inode>(
    tx,
    sql`select ${INODE_COLUMNS} from pangu.inodes i where i.id = ${file} and i.type = 'file' for update`,
  );
  if (!inode || inode.deleted) throw new PanguError('ENOENT', 'the log was removed');
  if (inode.kind !== 'log') throw new PanguError('EBADF', 'the file is no log');
  return inode;
}

/** Nodes that failed once are better than none. */
export function placeLogChunk(context: MasterContext, file: Inode, exclude: readonly string[]): PlacedChunk {
  try {
    return placeChunk(context, { ...file, exclude });
  } catch (error) {
    if (!hasCode(error, 'EIO', 'ENOSPC') || exclude.length === 0) throw error;
    return placeChunk(context, file);
  }
}

/** Ends the chunk if it is the open one still. With `next` the log goes on in another; without it is closed until somebody has something to add. */
export async function endLogChunk(
  context: MasterContext,
  wish: { file: string; chunk: string; exclude: readonly string[]; next: boolean; force?: boolean },
): Promise<LogEnd> {
  const { db, log } = context;
  const claimed = await claim(db, wish.file, wish.chunk, wish.force ?? false);
  if (typeof claimed === 'string') return claimed;
  const { chunk, file } = claimed;
  const frozen = await freezeChunk(context, chunk.id, chunk.nodes);
  const unclaim = () => db.execute(sql`update pangu.inodes set recovery_until = null where id = ${file.id} and epoch = ${file.epoch}`);
  if (frozen.replicas.length === 0) {
    await unclaim();
    return 'missing';
  }
  const holding = frozen.replicas.filter(({ length }) => length > 0);
  const length = Math.min(...holding.map((replica) => replica.length), Number.MAX_SAFE_INTEGER);
  const longer = holding.filter((replica) => replica.length > length).map(({ node }) => node);
  const uncut = await sealAt(context, chunk.id, length, longer);
  const kept = holding.filter(({ node }) => !uncut.includes(node));
  // No room, a quota, no server for the next chunk: the same is found when it is tried again.
  const outcome = await record(context, claimed, { kept, length, frozen, wish }).catch(async (error) => {
    await unclaim();
    throw error;
  });
  log.info({ file: file.id, chunk: chunk.id, length: kept.length > 0 ? length : 0, kept: kept.length, outcome }, 'log.chunk.ended');
  if (outcome === 'ended') void forget(context, chunk.id, length, kept);
  return outcome;
}

function claim(db: Database, id: string, chunkId: string, force: boolean): Promise<OpenLogChunk | LogEnd> {
  return inTransaction(db, async (tx) => {
    const file = await lockLog(tx, id);
    const chunk = await openChunkOf(tx, id);
    if (chunk?.id !== chunkId) return 'moved';
    const [row] = await rows<{ claimed: boolean }>(
      tx,
      sql`select coalesce(recovery_until > now(), false) as claimed from pangu.inodes where id = ${id}`,
    );
    if (row!.claimed && !force) return 'underway';
    await tx.execute(sql`
      update pangu.inodes set epoch = epoch + 1, recovery_until = now() + make_interval(secs => ${CLAIM_MS / 1000}) where id = ${id}`);
    return { file: { ...file, epoch: file.epoch + 1 }, chunk };
  });
}

function record(
  context: MasterContext,
  { file, chunk }: OpenLogChunk,
  found: {
    kept: FrozenChunk['replicas'];
    length: number;
    frozen: FrozenChunk;
    wish: { exclude: readonly string[]; next: boolean };
  },
): Promise<LogEnd> {
  const { kept, length, frozen, wish } = found;
  return inTransaction(context.db, async (tx) => {
    const now = await lockLog(tx, file.id);
    if (now.epoch !== file.epoch) return 'moved';
    if (kept.length === 0) {
      await discardChunks(tx, [chunk.id]);
    } else {
      await tx.execute(sql`update pangu.chunks set state = 'sealed', length = ${length} where id = ${chunk.id}`);
      const lost = chunk.nodes.filter((node) => !kept.some((replica) => replica.node === node));
      await discardReplicas(
        tx,
        lost.map((node) => ({ chunk: chunk.id, node })),
      );
      const marks = marksUpTo(kept, length).map((mark) => ({ ...mark, offset: chunk.offset + mark.offset }));
      await tx.execute(sql`
        insert into pangu.log_marks (file, writer, sequence, "offset")
        select ${file.id}, m.writer, m.sequence, m."offset"
        from jsonb_to_recordset(${JSON.stringify(marks)}::jsonb) as m (writer text, sequence bigint, "offset" bigint)
        on conflict (file, writer) do update set sequence = excluded.sequence, "offset" = excluded."offset", at = now()`);
    }
    const grown = kept.length > 0 ? length : 0;
    await tx.execute(sql`
      update pangu.inodes set recovery_until = null, size = size + ${grown}, modified_at = now(), state = ${wish.next ? 'open' : 'closed'}
      where id = ${file.id}`);
    if (wish.next) await addLogChunk(tx, now, placeLogChunk(context, now, [...wish.exclude, ...frozen.silent]));
    return 'ended';
  });
}

/** A replica that grew with the chunk knows them all; one that was moved off a server that is about to leave knows none. */
function marksUpTo(kept: FrozenChunk['replicas'], length: number): LogMark[] {
  const last = new Map<string, LogMark>();
  for (const mark of kept.flatMap(({ marks }) => marks)) {
    if (mark.offset < length && mark.sequence >= (last.get(mark.writer)?.sequence ?? 0)) last.set(mark.writer, mark);
  }
  return [...last.values()];
}

/** What chunk servers know of the records is in the tables now. One that does not hear of it keeps some bytes more. */
async function forget(
  { chunkServers, chunkServerAt, log }: MasterContext,
  chunk: string,
  length: number,
  kept: FrozenChunk['replicas'],
): Promise<void> {
  for (const { node } of kept) {
    const address = chunkServers.get(node)?.address;
    if (address === undefined) continue;
    await chunkServerAt(address)
      .seal({ node, chunk, length, durable: true, forget: true }, { timeoutMs: 5_000 })
      .catch((error) => log.debug({ chunk, node, error: messageOf(error) }, 'log.forget.failed'));
  }
}
