import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import postgres from 'postgres';

export { type OpenDatabase, openDatabase } from '../services/base/database.ts';

/** Any number, the same in every process of every version: whoever holds this advisory lock migrates. */
const MIGRATION_LOCK = 7_203_681;

/** Brings the tables up to date. Several processes may call it at once: one works, the others wait and find it done. */
export async function migrateDatabase(url: string): Promise<void> {
  const client = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 10 });
  try {
    const db = drizzle({ client });
    await db.execute(sql`select pg_advisory_lock(${MIGRATION_LOCK})`);
    await migrate(db, { migrationsFolder: new URL('./migrations', import.meta.url).pathname, migrationsSchema: 'feitian' });
    // The lock goes with the connection.
  } finally {
    await client.end({ timeout: 5 });
  }
}
