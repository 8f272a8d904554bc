import { sql } from 'drizzle-orm';
import { type Queryable, rows } from '../../base/database.ts';
import { PanguError } from '../contract.ts';
import type { ChunkState } from '../core/states.ts';
import { discardChunks, discardReplicas } from './chunks.ts';
import { INODE_COLUMNS, type Inode } from './inodes.ts';

interface Written {
  chunk: string;
  offset: number;
  length: number;
  state: ChunkState;
  /** Nodes whose replica does not have the bytes. */
  lost: readonly string[];
}

/** What is told of chunks of an open file: each grows, until it is sealed. Errors: EINVAL, EIO (a chunk has no replica left). */
export async function recordChunks(tx: Queryable, inode: Inode, chunks: readonly Written[]): Promise<void> {
  if (chunks.some((chunk) => chunk.length > inode.chunkBytes))
    throw new PanguError('EINVAL', `a chunk is longer than ${inode.chunkBytes} bytes`);
  const updated = await rows(
    tx,
    sql`
      update pangu.chunks c set "offset" = w."offset", length = w.length, state = w.state
      from jsonb_to_recordset(${JSON.stringify(chunks)}::jsonb) as w (chunk text, "offset" bigint, length bigint, state text)
      where c.id = w.chunk and c.file = ${inode.id}
        and case c.state when 'open' then w.length >= c.length else w.length = c.length and w."offset" = c."offset" end
      returning c.id`,
  );
  if (updated.length !== chunks.length) throw new PanguError('EINVAL', 'a chunk is not of this file, or was sealed otherwise');

  const lost = chunks.flatMap(({ chunk, lost }) => lost.map((node) => ({ chunk, node })));
  if (lost.length === 0) return;
  await discardReplicas(tx, lost);
  const orphans = await rows<{ id: string }>(
    tx,
    sql`
      select c.id from pangu.chunks c join jsonb_to_recordset(${JSON.stringify(lost)}::jsonb) as l (chunk text) on l.chunk = c.id
      where not exists (select 1 from pangu.replicas r where r.chunk = c.id) limit 1`,
  );
  if (orphans.length > 0)
    throw new PanguError('EIO', `no replica of chunk ${orphans[0]!.id} is left`, { details: { chunk: orphans[0]!.id } });
}

/** Nobody writes it any more; its epoch stays until somebody does again. Errors: EINVAL. */
export async function closeFile(tx: Queryable, file: string, place?: { parent: string; name: string }): Promise<Inode> {
  const moved = place ? sql`, parent = ${place.parent}, name = ${place.name}, target = null` : sql``;
  const close = () =>
    rows<Inode>(
      tx,
      sql`
        update pangu.inodes i set state = 'closed', writer = null, recovery_until = null, size = tiles.size, modified_at = now() ${moved}
        from (
          select coalesce(sum(length), 0)::bigint as size, coalesce(bool_and(state = 'sealed' and "offset" = before), true) as whole
          from (
            select length, state, "offset", coalesce(sum(length) over (order by "offset", length rows between unbounded preceding and 1 preceding), 0) as before
            from pangu.chunks where file = ${file}
          ) chunk
        ) tiles
        where i.id = ${file} and tiles.whole
        returning ${INODE_COLUMNS}`,
    );
  let [inode] = await close();
  if (!inode) {
    // Chunks that the writer asked for and did not use are in the way.
    const unused = await rows<{ id: string }>(tx, sql`select id from pangu.chunks where file = ${file} and state = 'open' and length = 0`);
    await discardChunks(
      tx,
      unused.map(({ id }) => id),
    );
    [inode] = await close();
  }
  if (!inode) throw new PanguError('EINVAL', 'the chunks of the file leave a gap, overlap or are not sealed');
  return inode;
}
