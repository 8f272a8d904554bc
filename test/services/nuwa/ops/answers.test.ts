import { expect, it } from 'vitest';
import { Answers } from '../../../../services/nuwa/ops/answers.ts';

it('are given at once within the share of a turn, past it in the next turns, all of them and in their order', () => {
  const turns: (() => void)[] = [];
  const given: number[] = [];
  const answers = new Answers({ nextTurn: (run) => turns.push(run), perTurn: 3 });
  const give = (n: number): void => answers.give(() => given.push(n));
  for (let n = 0; n < 8; n++) give(n);
  expect([given, answers.waiting]).toEqual([[0, 1, 2], 5]);
  turns.shift()!();
  expect(given).toEqual([0, 1, 2, 3, 4, 5]);
  give(8);
  expect(given.length).toBe(6);
  turns.shift()!();
  expect([given, answers.waiting]).toEqual([[0, 1, 2, 3, 4, 5, 6, 7, 8], 0]);
  turns.shift()!();
  expect(turns).toEqual([]);
  give(9);
  expect(given.at(-1)).toBe(9);
});
