import { sql } from 'drizzle-orm';
import { rows } from '../../../base/database.ts';
import { PanguError } from '../../contract.ts';
import type { MasterContext } from '../context.ts';
import { find, INODE_COLUMNS, type Inode, statOf } from '../inodes.ts';

export async function readdir({ db }: MasterContext, { path, after, limit }: { path: string; after?: string; limit: number }) {
  const directory = await find(db, path);
  if (directory.type === 'file') throw new PanguError('ENOTDIR', `${path} is a file`);
  const children = await rows<Inode>(
    db,
    sql`
      select ${INODE_COLUMNS} from pangu.inodes i
      where i.parent = ${directory.id} and i.name > ${after ?? ''}
      order by i.name limit ${limit + 1}`,
  );
  return { entries: children.slice(0, limit).map((inode) => ({ name: inode.name, ...statOf(inode) })), more: children.length > limit };
}
