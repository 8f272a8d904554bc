import { messageOf } from '../services/base/errors.ts';
import { migrateDatabase } from './database.ts';

/** `npm run migrate`: brings the tables of the Postgres at FEITIAN_DATABASE_URL up to date. A cluster that starts does the same by itself. */
const url = process.env.FEITIAN_DATABASE_URL;
if (!url) {
  console.error('set FEITIAN_DATABASE_URL to the Postgres to migrate, such as postgres://user:password@host:5432/feitian');
  process.exit(2);
}
try {
  await migrateDatabase(url);
  console.log('the tables are up to date');
} catch (error) {
  console.error(`the migration failed: ${messageOf(error)}`);
  process.exit(1);
}
