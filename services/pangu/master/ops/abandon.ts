import { sql } from 'drizzle-orm';
import type { MasterContext } from '../context.ts';

/** Without the grace of other removals: nobody but its writer had a use for it. */
export async function abandon({ db }: MasterContext, { file }: { file: string }) {
  await db.execute(sql`
    update pangu.inodes set parent = null, target = null, deleted_at = to_timestamp(0), writer = null where id = ${file} and type = 'file' and state = 'open'`);
  return {};
}
