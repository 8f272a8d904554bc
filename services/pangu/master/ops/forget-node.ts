import { sql } from 'drizzle-orm';
import { inTransaction, rows } from '../../../base/database.ts';
import { PanguError } from '../../contract.ts';
import type { MasterContext } from '../context.ts';

/** What was left to remove on its disk goes with the disk. */
export async function forgetNode({ db, chunkServers }: MasterContext, { node }: { node: string }) {
  if (chunkServers.get(node)) throw new PanguError('EINVAL', `the chunk server of ${node} is still there`);
  await inTransaction(db, async (tx) => {
    const held = await rows(tx, sql`select 1 from pangu.replicas where node = ${node} limit 1`);
    if (held.length > 0) throw new PanguError('EINVAL', `${node} still holds replicas`);
    await tx.execute(sql`delete from pangu.copies where node = ${node}`);
    await tx.execute(sql`delete from pangu.garbage where node = ${node}`);
  });
  return {};
}
