import { sql } from 'drizzle-orm';
import { rows } from '../../../base/database.ts';
import type { Quota } from '../../namespace-contract.ts';
import type { MasterContext } from '../context.ts';
import { find } from '../inodes.ts';
import { QUOTA_COLUMNS, type QuotaRow } from '../quotas.ts';

/** All that hold for a path: its own, if it has one, then those of the directories above, nearest first. */
export async function quotasOf({ db }: MasterContext, { path }: { path: string }): Promise<{ quotas: Quota[] }> {
  const { id } = await find(db, path);
  const found = await rows<QuotaRow & { path: string }>(
    db,
    sql`
      select pangu.path_of(q.directory) as path, ${QUOTA_COLUMNS}
      from pangu.quotas_above(${id}) as above (directory) join pangu.quotas q on q.directory = above.directory`,
  );
  const quotas = found.map(({ directory: _, ...quota }) => quota);
  return { quotas: quotas.sort((a, b) => b.path.length - a.path.length) };
}
