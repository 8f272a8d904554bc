import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // Most of the time goes into waiting for processes to die, to be missed and to come back: three files at once keep two cores busy.
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // A dozen processes on two shared cores: where nobody can look again at once, one more try tells a slow moment from a fault. It is printed.
    retry: process.env.CI ? 1 : 0,
  },
});
