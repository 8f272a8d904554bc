import { sql } from 'drizzle-orm';
import { inTransaction, type Queryable, rows } from '../../../base/database.ts';
import { PanguError } from '../../contract.ts';
import { discardChunks, NODES } from '../chunks.ts';
import type { MasterContext } from '../context.ts';
import { INODE_COLUMNS, type Inode } from '../inodes.ts';
import { assertEpoch } from '../lease.ts';
import { REQUEST_KEEP_MS } from '../once.ts';
import { placesForgotten, retire } from '../random-replicas.ts';

interface Held {
  file: string;
  epoch: number;
}

/**
 * One transaction decides: the file is shorter, chunks beyond its end are gone, and the row of the chunk it ends in says where that is still to be cut, which
 * the writer does now, or whoever recovers the file. Until then nobody reads there, as it lies beyond the end. The epoch grows, so that what was said of a longer
 * file and comes late is not believed.
 * The chunks that went are removed from their servers before this replies, so that who still knows of them does not read them.
 */
export async function randomTruncate(
  context: MasterContext,
  { requestId, file, epoch, length }: Held & { requestId: string; length: number },
): Promise<{ epoch: number; cutting: boolean }> {
  const call = `truncate:${file}:${requestId}`;
  const done = await inTransaction(context.db, async (tx) => {
    const inode = await lockFile(tx, file);
    const cutAt = length % inode.chunkBytes;
    const last = Math.floor(length / inode.chunkBytes);
    const again = await rows(tx, sql`select 1 from pangu.requests where id = ${call}`);
    if (again.length > 0) {
      const cut = await rows(
        tx,
        sql`select 1 from pangu.chunks where file = ${file} and index = ${last} and length = ${cutAt} and ${cutAt}::bigint > 0`,
      );
      return { epoch: inode.epoch, cutting: cut.length > 0, gone: [], again: true };
    }
    assertEpoch(inode, epoch);
    await tx.execute(sql`
      insert into pangu.requests (id, keep_until) values (${call}, now() + make_interval(secs => ${REQUEST_KEEP_MS / 1000}))`);
    await tx.execute(sql`update pangu.inodes set size = ${length}, epoch = epoch + 1, modified_at = now() where id = ${file}`);
    const gone = await rows<{ chunk: string; nodes: string[] }>(
      tx,
      sql`
        select c.id as chunk, ${NODES} as nodes from pangu.chunks c
        where c.file = ${file} and c.index >= ${cutAt > 0 ? last + 1 : last}`,
    );
    await discardChunks(
      tx,
      gone.map(({ chunk }) => chunk),
    );
    const cut =
      cutAt === 0
        ? []
        : await rows(
            tx,
            sql`update pangu.chunks set length = least(length, ${cutAt}) where file = ${file} and index = ${last} and length > 0 returning id`,
          );
    return { epoch: inode.epoch + 1, cutting: cut.length > 0, gone, again: false };
  });
  await Promise.all(done.gone.map(({ chunk, nodes }) => retire(context, chunk, nodes)));
  // The first try may still be at that.
  if (done.again) await placesForgotten();
  return { epoch: done.epoch, cutting: done.cutting };
}

export async function randomCutDone({ db }: MasterContext, { file, epoch, length }: Held & { length: number }) {
  await inTransaction(db, async (tx) => {
    const inode = await lockFile(tx, file);
    assertEpoch(inode, epoch);
    const index = Math.floor(length / inode.chunkBytes);
    await tx.execute(sql`
      update pangu.chunks set length = ${inode.chunkBytes} where file = ${file} and index = ${index} and length = ${length % inode.chunkBytes} and length > 0`);
  });
  return {};
}

async function lockFile(tx: Queryable, file: string): Promise<Inode> {
  const [inode] = await rows<Inode>(
    tx,
    sql`select ${INODE_COLUMNS} from pangu.inodes i where i.id = ${file} and i.kind = 'random' for update`,
  );
  if (!inode || inode.deleted) throw new PanguError('ENOENT', 'the file was removed while it was written');
  if (inode.state !== 'open') throw new PanguError('EBADF', 'the file is closed');
  return inode;
}
