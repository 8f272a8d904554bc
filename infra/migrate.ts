import { messageOf } from '../services/base/errors.ts';
import { registerSearchAttributes } from './cluster/temporal.ts';
import { migrateDatabase } from './database.ts';
import { temporalFromEnvironment } from './temporal-config.ts';

/**
 * `npm run migrate`: brings the tables of the Postgres at FEITIAN_DATABASE_URL up to date and, where TEMPORAL_ADDRESS names a Temporal server, makes
 * its namespace know our search attributes. To be run before the roles of a deployment; a cluster that `feitian up` starts does the same by itself.
 */
const url = process.env.FEITIAN_DATABASE_URL;
if (!url) {
  console.error('set FEITIAN_DATABASE_URL to the Postgres to migrate, such as postgres://user:password@host:5432/feitian');
  process.exit(2);
}
try {
  await migrateDatabase(url);
  console.log('the tables are up to date');
  const temporal = await temporalFromEnvironment(process.env, '.feitian/keys');
  if (temporal) {
    await registerSearchAttributes(temporal);
    console.log(`the search attributes are registered at ${temporal.address}`);
  }
} catch (error) {
  console.error(`the migration failed: ${messageOf(error)}`);
  process.exit(1);
}
