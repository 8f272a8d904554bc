import { sql } from 'drizzle-orm';
import { type Queryable, rows, TransactionConflict } from '../../base/database.ts';
import { newId } from '../../base/ids.ts';
import { PanguError } from '../contract.ts';
import { formatPath } from '../core/path.ts';
import { type Inode, walk } from './inodes.ts';

/** Steps that several operations share. All expect to run in a transaction that is retried on conflict, and check that what they were told still holds. */

/**
 * Takes an inode out of the tree, with all below it: one row, whatever its size. What is out of the tree is collected in the background
 * (see background/garbage.ts) after a grace, so that those who opened it may read on for a while.
 */
export async function detach(tx: Queryable, inode: Inode): Promise<void> {
  const changed = await rows(
    tx,
    sql`
      update pangu.inodes set parent = null, deleted_at = now()
      where id = ${inode.id} and parent = ${inode.parent} and name = ${inode.name}
      returning id`,
  );
  if (changed.length === 0) throw new TransactionConflict(`${inode.id} moved`);
}

/** Removes a directory that must be empty: its row goes for good, so that no child can join it any more. Errors: ENOTEMPTY. */
export async function removeEmptyDirectory(tx: Queryable, directory: Inode, path: string): Promise<void> {
  // The lock waits for children being made now (their foreign key holds a share of the row), so that the next statement sees them.
  const locked = await rows(
    tx,
    sql`select id from pangu.inodes where id = ${directory.id} and parent = ${directory.parent} and name = ${directory.name} for update`,
  );
  if (locked.length === 0) throw new TransactionConflict(`${directory.id} moved`);
  const children = await rows(tx, sql`select 1 from pangu.inodes where parent = ${directory.id} limit 1`);
  if (children.length > 0) throw new PanguError('ENOTEMPTY', `${path} is not empty`);
  await tx.execute(sql`delete from pangu.inodes where id = ${directory.id}`);
}

export async function insertDirectory(tx: Queryable, parent: string, name: string, owner: string): Promise<string> {
  const id = newId('d');
  await tx.execute(
    sql`insert into pangu.inodes (id, parent, name, type, state, owner) values (${id}, ${parent}, ${name}, 'directory', 'closed', ${owner})`,
  );
  return id;
}

/** Makes what is missing of the directories along `names`; returns the last one's id. Errors: ENOTDIR. */
export async function makeDirectories(tx: Queryable, names: readonly string[], owner: string): Promise<string> {
  const [inodes] = await walk(tx, [names]);
  const deepest = inodes!.at(-1)!;
  if (deepest.type === 'file') throw new PanguError('ENOTDIR', `${formatPath(names.slice(0, inodes!.length - 1))} is a file`);
  let parent = deepest.id;
  for (const name of names.slice(inodes!.length - 1)) parent = await insertDirectory(tx, parent, name, owner);
  return parent;
}

/** One row changes its parent and name, whatever is below it. */
export async function move(tx: Queryable, inode: Inode, parent: string, name: string): Promise<void> {
  const moved = await rows(
    tx,
    sql`
      update pangu.inodes set parent = ${parent}, name = ${name}
      where id = ${inode.id} and parent = ${inode.parent} and name = ${inode.name} returning id`,
  );
  if (moved.length === 0) throw new TransactionConflict(`${inode.id} moved`);
}
