import { describe, expect, test } from 'vitest';
import { simulatorOf } from './nuwa/mutated.ts';
import { MUTATIONS } from './nuwa/mutations.ts';
import { simulate } from './nuwa/simulate.ts';

/** A simulator that finds nothing may be looking at nothing: each way to break the core must be caught within so many seeds. */
const SEEDS_MAX = 1_500;

describe('the simulator of Nuwa groups catches', () => {
  test.each(MUTATIONS)('$name', { timeout: 120_000 }, async (mutation) => {
    const broken = await simulatorOf(mutation);
    const { from = 1 } = mutation;
    for (let seed = from; seed < from + SEEDS_MAX; seed++) {
      const found = failureOf(() => broken({ seed }));
      if (found === undefined) continue;
      // What the broken core fails the whole one passes.
      expect(failureOf(() => simulate({ seed }))).toBeUndefined();
      return;
    }
    expect.fail(`not caught by ${SEEDS_MAX} schedules`);
  });
});

function failureOf(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}
