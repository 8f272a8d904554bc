import { sql } from 'drizzle-orm';
import type { MasterContext } from '../context.ts';
import { change } from '../inodes.ts';

export async function setTimes({ db }: MasterContext, { path, modifiedAtMs }: { path: string; modifiedAtMs: number }) {
  await change(
    db,
    path,
    (inode) => sql`update pangu.inodes set modified_at = to_timestamp(${modifiedAtMs / 1000}::float8) where id = ${inode.id} returning id`,
  );
  return {};
}
