import { sql } from 'drizzle-orm';
import { type Queryable, rows } from '../../base/database.ts';

/** Nodes that were missed for so long that their replicas count no more. */
export const DEAD = sql`(select id from pangu.nodes where dead_at is not null)`;

export async function deadNodes(db: Queryable): Promise<string[]> {
  return (await rows<{ id: string }>(db, sql`select id from pangu.nodes where dead_at is not null order by id`)).map(({ id }) => id);
}
