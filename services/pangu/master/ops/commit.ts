import { sql } from 'drizzle-orm';
import type { z } from 'zod';
import { inTransaction, type Queryable, rows } from '../../../base/database.ts';
import { PanguError } from '../../contract.ts';
import { parsePath } from '../../core/path.ts';
import type { masterService } from '../../master-contract.ts';
import { discardChunks, discardReplicas } from '../chunks.ts';
import type { MasterContext } from '../context.ts';
import { endOf, INODE_COLUMNS, type Inode, parentOf, statOf, walk } from '../inodes.ts';
import { detach } from '../tree.ts';

type Request = z.output<(typeof masterService.methods.commit)['request']>;
type Written = Request['chunks'][number];

/** Says what is so, so saying it twice changes nothing; a file that is closed already stays as it is. */
export async function commit({ db }: MasterContext, { file, chunks, close }: Request) {
  return inTransaction(db, async (tx) => {
    const [inode] = await rows<Inode>(
      tx,
      sql`select ${INODE_COLUMNS} from pangu.inodes i where i.id = ${file} and i.type = 'file' for update`,
    );
    if (!inode || inode.deleted) throw new PanguError('ENOENT', 'the file was removed while it was written');
    if (inode.state === 'closed') return statOf(inode);
    if (chunks.length > 0) await recordChunks(tx, inode, chunks);
    const place = close && inode.target ? await makeRoomAtTarget(tx, inode.target) : undefined;
    return statOf(close ? await closeFile(tx, file, place) : await updateSize(tx, file));
  });
}

async function recordChunks(tx: Queryable, inode: Inode, chunks: readonly Written[]): Promise<void> {
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
  await discardReplicas(tx, lost, { kind: 'replicaMissed', cause: `a writer of file ${inode.id} went on without it` });
  const orphans = await rows<{ id: string }>(
    tx,
    sql`
      select c.id from pangu.chunks c join jsonb_to_recordset(${JSON.stringify(lost)}::jsonb) as l (chunk text) on l.chunk = c.id
      where not exists (select 1 from pangu.replicas r where r.chunk = c.id) limit 1`,
  );
  if (orphans.length > 0)
    throw new PanguError('EIO', `no replica of chunk ${orphans[0]!.id} is left`, { details: { chunk: orphans[0]!.id } });
}

/** Where a hidden file appears. The path is followed anew: directories may have moved since the file was opened. */
async function makeRoomAtTarget(tx: Queryable, path: string): Promise<{ parent: string; name: string }> {
  const parsed = parsePath(path);
  const [inodes] = await walk(tx, [parsed.names]);
  const parent = parentOf(inodes!, parsed, path);
  const old = endOf(inodes!, parsed, path);
  if (old?.type === 'directory') throw new PanguError('EISDIR', `${path} is a directory`);
  if (old) await detach(tx, old);
  return { parent: parent.id, name: parsed.names.at(-1)! };
}

async function closeFile(tx: Queryable, file: string, place?: { parent: string; name: string }): Promise<Inode> {
  const moved = place ? sql`, parent = ${place.parent}, name = ${place.name}, target = null` : sql``;
  const close = () =>
    rows<Inode>(
      tx,
      sql`
        update pangu.inodes i set state = 'closed', size = tiles.size, modified_at = now() ${moved}
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

async function updateSize(tx: Queryable, file: string): Promise<Inode> {
  const [inode] = await rows<Inode>(
    tx,
    sql`
      update pangu.inodes i set size = (select coalesce(sum(length), 0) from pangu.chunks where file = ${file}), modified_at = now()
      where i.id = ${file} returning ${INODE_COLUMNS}`,
  );
  return inode!;
}
