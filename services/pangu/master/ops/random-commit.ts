import { sql } from 'drizzle-orm';
import { inTransaction, rows } from '../../../base/database.ts';
import { PanguError } from '../../contract.ts';
import type { MasterContext } from '../context.ts';
import { INODE_COLUMNS, type Inode, statOf } from '../inodes.ts';
import { assertEpoch } from '../lease.ts';
import { makeRoomAtTarget } from './commit.ts';

interface Request {
  file: string;
  epoch: number;
  size: number;
  close: boolean;
}

/** A file grows by what is written; it becomes shorter by `randomTruncate` alone, so a word that comes late changes nothing. */
export async function randomCommit({ db }: MasterContext, { file, epoch, size, close }: Request) {
  return inTransaction(db, async (tx) => {
    const [inode] = await rows<Inode>(
      tx,
      sql`select ${INODE_COLUMNS} from pangu.inodes i where i.id = ${file} and i.kind = 'random' for update`,
    );
    if (!inode || inode.deleted) throw new PanguError('ENOENT', 'the file was removed while it was written');
    assertEpoch(inode, epoch);
    if (inode.state === 'closed') return statOf(inode);
    const place = close && inode.target ? await makeRoomAtTarget(tx, inode.target) : undefined;
    const moved = place ? sql`, parent = ${place.parent}, name = ${place.name}, target = null` : sql``;
    const closed = close ? sql`, state = 'closed', writer = null` : sql``;
    const [changed] = await rows<Inode>(
      tx,
      sql`
        update pangu.inodes i set size = greatest(size, ${size}::bigint), modified_at = now() ${closed} ${moved}
        where i.id = ${file} returning ${INODE_COLUMNS}`,
    );
    return statOf(changed!);
  });
}
