import { sql } from 'drizzle-orm';
import { inTransaction } from '../../../base/database.ts';
import { PanguError } from '../../contract.ts';
import type { MasterContext } from '../context.ts';
import { find } from '../inodes.ts';
import { lockQuotas, lockTree } from '../quotas.ts';

/** Counts what is there while nobody else counts; from then on usage is kept. Null and null: there is no quota any more. */
export async function setQuota(
  { db }: MasterContext,
  { path, filesMax, bytesMax }: { path: string; filesMax: number | null; bytesMax: number | null },
) {
  await inTransaction(db, async (tx) => {
    await lockTree(tx);
    const { id, type } = await find(tx, path);
    if (type === 'file') throw new PanguError('ENOTDIR', `${path} is a file`);
    await lockQuotas(tx);
    if (filesMax === null && bytesMax === null) {
      await tx.execute(sql`delete from pangu.quotas where directory = ${id}`);
      return;
    }
    await tx.execute(sql`
      insert into pangu.quotas (directory, files_max, bytes_max, files, bytes)
      select ${id}, ${filesMax}::bigint, ${bytesMax}::bigint, used.files, used.bytes from pangu.usage_below(${id}, true) used
      on conflict (directory) do update set files_max = excluded.files_max, bytes_max = excluded.bytes_max`);
  });
  return {};
}
