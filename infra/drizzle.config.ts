import { defineConfig } from 'drizzle-kit';

/** `npm run migrations`: writes the next migration from the tables of all services. Paths are from the repo's root, where drizzle-kit runs. */
export default defineConfig({
  dialect: 'postgresql',
  schema: './services/*/tables.ts',
  out: './infra/migrations',
});
