import { sql } from 'drizzle-orm';
import { type Queryable, rows } from '../../../base/database.ts';

/** What the control loop saw lacking when it looked last, for all to read: whoever starts workflows, and people. */
const LACKING = 'lacking';

export interface LackingSeen {
  chunks: number;
  bytes: number;
  atMs: number;
}

export async function tellLacking(db: Queryable, seen: LackingSeen): Promise<void> {
  await db.execute(sql`
    insert into pangu.settings (name, value) values (${LACKING}, ${JSON.stringify(seen)}) on conflict (name) do update set value = excluded.value`);
}

export async function lackingSeen(db: Queryable): Promise<LackingSeen | undefined> {
  const [row] = await rows<{ value: string }>(db, sql`select value from pangu.settings where name = ${LACKING}`);
  return row && (JSON.parse(row.value) as LackingSeen);
}
