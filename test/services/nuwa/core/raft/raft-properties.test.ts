import { expect, test } from 'vitest';
import { RandomGroup } from './random-group.ts';

/** Figure 3.2 of the dissertation, over schedules of all kinds of faults. SEED=n runs one, SEEDS=n as many from there on. */
const SEED = Number(process.env.SEED ?? 1);
const SEEDS = Number(process.env.SEEDS ?? (process.env.SEED ? 1 : 200));

function runAll(servers: (seed: number) => number, changes: boolean): RandomGroup['seen'] {
  const total: Record<string, number> = {};
  for (let seed = SEED; seed < SEED + SEEDS; seed++) {
    const group = new RandomGroup({ seed, servers: servers(seed), changes });
    try {
      for (let i = 0; i < 10; i++) {
        group.run(200);
        group.checkLogs();
      }
      group.settle();
      group.checkLogs();
    } catch (error) {
      throw new Error(`seed ${seed} (SEED=${seed} runs it alone): ${(error as Error).message}`, { cause: error });
    }
    for (const [what, count] of Object.entries(group.seen)) total[what] = (total[what] ?? 0) + count;
  }
  return total as unknown as RandomGroup['seen'];
}

test('figure 3.2: election safety, log matching, leader completeness, state machine safety; section 6.4: no stale read', () => {
  const seen = runAll((seed) => [1, 2, 3, 3, 5][seed % 5]!, false);
  console.log(`fixed groups: ${JSON.stringify(seen)}`);
  for (const what of ['applied', 'reads', 'terms', 'snapshots', 'crashes', 'transfers'] as const)
    expect(seen[what], what).toBeGreaterThan(SEEDS > 100 ? 50 : -1);
});

test('the same while members come and go (chapter 4)', () => {
  const seen = runAll((seed) => [1, 3, 3, 4][seed % 4]!, true);
  console.log(`changing groups: ${JSON.stringify(seen)}`);
  expect(seen.changes).toBeGreaterThan(SEEDS > 100 ? 50 : -1);
});
