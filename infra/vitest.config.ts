import { defineConfig } from 'vitest/config';
import { HeavySpread } from './test-order.ts';

export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // A process runs one file after the other and keeps the modules it has: loading them anew for each of 250 files was a quarter of all the work.
    isolate: false,
    // Most of the time goes into waiting for processes to die, to be missed and to come back: three files at once keep two cores busy.
    maxWorkers: 3,
    sequence: { sequencer: HeavySpread },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // A dozen processes on two shared cores: where nobody can look again at once, one more try tells a slow moment from a fault. It is printed.
    retry: process.env.CI ? 1 : 0,
  },
});
