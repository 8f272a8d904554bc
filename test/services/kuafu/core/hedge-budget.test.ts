import { expect, test } from 'vitest';
import { HedgeBudget } from '../../../../services/kuafu/core/hedge-budget.ts';

test('of n calls that are all late at most a twentieth and ten are asked twice', () => {
  const budget = new HedgeBudget();
  let hedged = 0;
  for (let i = 0; i < 10_000; i++) {
    budget.earn();
    if (budget.take()) hedged++;
  }
  expect(hedged).toBeGreaterThan(500);
  expect(hedged).toBeLessThanOrEqual(510);
});

test('what was not spent is kept for ten, not for ever', () => {
  const budget = new HedgeBudget();
  for (let i = 0; i < 10_000; i++) budget.earn();
  let hedged = 0;
  while (budget.take()) hedged++;
  expect(hedged).toBe(10);
});
