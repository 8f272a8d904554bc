import { describe, expect, test } from 'vitest';
import { type SimulationReport, simulate } from './nuwa/simulate.ts';

/**
 * Whole groups of Nuwa servers and their clients, each schedule from one seed: what may go wrong and what must hold all the same stands in
 * nuwa/faults.ts, nuwa/checks.ts and nuwa/work. `npm run soak -- nuwa` goes on from here.
 */
const FIXED = 1_800;
const FRESH = 210;

function runSeeds(from: number, count: number): SimulationReport[] {
  const reports: SimulationReport[] = [];
  for (let seed = from; seed < from + count; seed++) {
    try {
      reports.push(simulate({ seed }));
    } catch (error) {
      throw new Error(`seed ${seed}: npx tsx test/simulation/nuwa/replay.ts --seed ${seed} --trace`, { cause: error });
    }
  }
  return reports;
}

const sum = (reports: SimulationReport[], figure: keyof SimulationReport): number =>
  reports.reduce((total, each) => total + each[figure], 0);

describe('groups of Nuwa servers under faults', () => {
  test(`${FIXED} schedules that are the same each time hold every property`, { timeout: 240_000 }, () => {
    const reports = runSeeds(1, FIXED);
    // A schedule in which nothing happens holds everything.
    expect(sum(reports, 'elections')).toBeGreaterThan(FIXED);
    expect(sum(reports, 'operations')).toBeGreaterThan(100 * FIXED);
    expect(sum(reports, 'watched')).toBeGreaterThan(100 * FIXED);
    expect(sum(reports, 'grants')).toBeGreaterThan(FIXED);
    expect(sum(reports, 'fenced')).toBeGreaterThan(0);
  });

  const first = 1 + Math.floor(Math.random() * 2 ** 30);
  test(`${FRESH} fresh schedules, from seed ${first} on`, { timeout: 120_000 }, () => {
    runSeeds(first, FRESH);
  });
});
