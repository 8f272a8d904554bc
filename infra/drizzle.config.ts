import { defineConfig } from 'drizzle-kit';

/**
 * `npx drizzle-kit generate --config infra/drizzle.config.ts --name <what>`, run in the repo's root, writes the next migration from the tables of all
 * services; rows that must be there are added to it by hand. `npm run migrate` and every cluster's start apply what is new.
 */
export default defineConfig({
  dialect: 'postgresql',
  schema: './services/*/tables.ts',
  out: './infra/migrations',
});
