import { sql } from 'drizzle-orm';
import { type Queryable, rows } from '../../../base/database.ts';

/**
 * One master at a time controls. Nuwa says which; but one that stood still beyond its session believes for a while that it still is. So whoever is elected
 * writes its name into a row, and each transaction of the control loop looks there first, with a lock that lasts as long as it: what an old one decided
 * cannot be done after a new one has begun.
 */
const CONTROL = 'control';

/** Another master controls by now. */
export class ControlLost extends Error {
  override readonly name = 'ControlLost';
}

export async function takeControl(db: Queryable, holder: string): Promise<void> {
  await db.execute(sql`
    insert into pangu.settings (name, value) values (${CONTROL}, ${holder}) on conflict (name) do update set value = excluded.value`);
}

/** Throws ControlLost. */
export async function assertControl(tx: Queryable, holder: string): Promise<void> {
  const [row] = await rows<{ value: string }>(tx, sql`select value from pangu.settings where name = ${CONTROL} for share`);
  if (row?.value !== holder) throw new ControlLost(`${row?.value} controls`);
}

export async function controlHolder(db: Queryable): Promise<string | undefined> {
  const [row] = await rows<{ value: string }>(db, sql`select value from pangu.settings where name = ${CONTROL}`);
  return row?.value;
}
