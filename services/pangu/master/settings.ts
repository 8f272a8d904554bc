import { sql } from 'drizzle-orm';
import { type Queryable, rows } from '../../base/database.ts';
import { HEALING_DEFAULTS, type Healing, healingSchema } from '../core/healing.ts';
import { TRASH_RETENTION_MS_DEFAULT } from '../core/trash.ts';

/** One for the whole cluster, so in a table: masters come and go, and must agree. */
const TRASH_RETENTION = 'trash-retention-ms';

/** 0: nothing goes to the trash. */
export async function trashRetentionMs(db: Queryable): Promise<number> {
  const [row] = await rows<{ value: string }>(db, sql`select value from pangu.settings where name = ${TRASH_RETENTION}`);
  return row ? Number(row.value) : TRASH_RETENTION_MS_DEFAULT;
}

export async function setTrashRetentionMs(db: Queryable, retentionMs: number): Promise<void> {
  await db.execute(sql`
    insert into pangu.settings (name, value) values (${TRASH_RETENTION}, ${String(retentionMs)})
    on conflict (name) do update set value = excluded.value`);
}

const HEALING = 'healing';

/** How the cluster heals (core/healing.ts). */
export async function healingOf(db: Queryable): Promise<Healing> {
  const [row] = await rows<{ value: string }>(db, sql`select value from pangu.settings where name = ${HEALING}`);
  return healingFrom(row?.value);
}

/** Changes what is named and leaves the rest. */
export async function setHealing(db: Queryable, changed: Partial<Healing>): Promise<Healing> {
  const [row] = await rows<{ value: string }>(
    db,
    sql`
      insert into pangu.settings (name, value) values (${HEALING}, ${JSON.stringify(changed)})
      on conflict (name) do update set value = (settings.value::jsonb || excluded.value::jsonb)::text returning value`,
  );
  return healingFrom(row!.value);
}

function healingFrom(value = '{}'): Healing {
  return healingSchema.parse({ ...HEALING_DEFAULTS, ...JSON.parse(value) });
}
