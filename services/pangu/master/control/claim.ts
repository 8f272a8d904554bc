import { sql } from 'drizzle-orm';
import { type Queryable, rows } from '../../../base/database.ts';

/**
 * A workflow that mends, or was paused, says so for a while at a time; the control loop then leaves copying to it. When nobody says so any more, it goes
 * on by itself: redundancy does not wait for Temporal.
 */
const CLAIM = 'repair-claim';
const NOW_MS = sql`(extract(epoch from clock_timestamp()) * 1000)::bigint`;

export interface RepairClaim {
  holder: string;
  untilMs: number;
}

/** `forMs` 0 gives it back. Another's that lasts stays. @returns who has it now, if anybody. */
export async function claimRepair(db: Queryable, holder: string, forMs: number): Promise<RepairClaim | undefined> {
  await db.execute(sql`
    insert into pangu.settings (name, value)
    values (${CLAIM}, jsonb_build_object('holder', ${holder}::text, 'untilMs', ${NOW_MS} + ${forMs}::bigint)::text)
    on conflict (name) do update set value = excluded.value
    where settings.value::jsonb ->> 'holder' = ${holder} or (settings.value::jsonb ->> 'untilMs')::bigint <= ${NOW_MS}`);
  return repairClaim(db);
}

export async function repairClaim(db: Queryable): Promise<RepairClaim | undefined> {
  const [row] = await rows<{ value: string }>(
    db,
    sql`select value from pangu.settings where name = ${CLAIM} and (value::jsonb ->> 'untilMs')::bigint > ${NOW_MS}`,
  );
  return row && (JSON.parse(row.value) as RepairClaim);
}
