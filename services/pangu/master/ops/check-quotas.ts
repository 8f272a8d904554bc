import { sql } from 'drizzle-orm';
import { inTransaction, rows } from '../../../base/database.ts';
import type { MasterContext } from '../context.ts';
import { lockQuotas, lockTree, QUOTA_COLUMNS, type QuotaRow } from '../quotas.ts';

/** Counts anew what each directory with a quota holds, one directory in a transaction, and says where the count that is kept is another; with `repair` it is put right. */
export async function checkQuotas({ db }: MasterContext, { repair }: { repair: boolean }) {
  const all = await rows<{ directory: string }>(db, sql`select directory from pangu.quotas order by directory`);
  const drifted: { path: string; kept: { files: number; bytes: number }; found: { files: number; bytes: number } }[] = [];
  for (const { directory } of all) {
    await inTransaction(db, async (tx) => {
      await lockTree(tx);
      await lockQuotas(tx);
      const [quota] = await rows<QuotaRow & { path: string; filesFound: number; bytesFound: number }>(
        tx,
        sql`
          select pangu.path_of(q.directory) as path, ${QUOTA_COLUMNS}, used.files as "filesFound", used.bytes as "bytesFound"
          from pangu.quotas q join pangu.inodes i on i.id = q.directory and (i.parent is not null or i.id = 'root')
          cross join lateral pangu.usage_below(q.directory, false) used
          where q.directory = ${directory}`,
      );
      if (!quota || (quota.files === quota.filesFound && quota.bytes === quota.bytesFound)) return;
      drifted.push({
        path: quota.path,
        kept: { files: quota.files, bytes: quota.bytes },
        found: { files: quota.filesFound, bytes: quota.bytesFound },
      });
      if (repair)
        await tx.execute(
          sql`update pangu.quotas set files = ${quota.filesFound}, bytes = ${quota.bytesFound} where directory = ${directory}`,
        );
    });
  }
  return { checked: all.length, drifted };
}
