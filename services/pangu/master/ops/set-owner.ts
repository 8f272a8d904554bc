import { sql } from 'drizzle-orm';
import type { MasterContext } from '../context.ts';
import { change } from '../inodes.ts';

export async function setOwner({ db }: MasterContext, { path, owner }: { path: string; owner: string }) {
  await change(db, path, (inode) => sql`update pangu.inodes set owner = ${owner} where id = ${inode.id} returning id`);
  return {};
}
