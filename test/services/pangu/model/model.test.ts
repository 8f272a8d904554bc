import { expect, it } from 'vitest';
import { runModel } from './run.ts';

const seed = Number(process.env.FEITIAN_SEED ?? Math.floor(Math.random() * 2 ** 30));

it(`all that was acknowledged is there, whatever dies, stands still, fills up or forgets meanwhile (seed ${seed}; longer: npm run soak -- pangu)`, async () => {
  const { counts, faults } = await runModel({ seed, seconds: 3, stepsMin: 80, areas: 3, rounds: 1, holdMs: 1_000 });
  const all = [...counts.values()];
  const done = all.reduce((sum, each) => sum + each.done, 0);
  const unknown = all.reduce((sum, each) => sum + each.unknown, 0);
  expect(faults.length).toBeGreaterThan(1);
  expect(done).toBeGreaterThan(40);
  expect(unknown).toBeLessThan(done / 4);
}, 240_000);
