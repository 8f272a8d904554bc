import { sql } from 'drizzle-orm';
import { type Database, inTransaction, type Queryable, rows } from '../../base/database.ts';

/** Far longer than a client goes on asking after a lost reply. */
export const REQUEST_KEEP_MS = 10 * 60_000;

/**
 * Runs a command's transaction unless one with this id has been carried out: then nothing is done, and that is the right answer to
 * a caller who asks again because the reply was lost. The id is in the same transaction as the command, so both happen or neither does;
 * a second try that comes while the first still runs waits for it at the id's unique key.
 */
export function once(db: Database, requestId: string, keepMs: number, work: (tx: Queryable) => Promise<void>): Promise<void> {
  return inTransaction(db, async (tx) => {
    const first = await rows(
      tx,
      sql`
        insert into pangu.requests (id, keep_until) values (${requestId}, now() + make_interval(secs => ${keepMs / 1000}))
        on conflict (id) do nothing returning id`,
    );
    if (first.length > 0) await work(tx);
  });
}
