import { expect, it, test } from 'vitest';
import { chooseSurplus } from '../../../../services/pangu/core/surplus.ts';

const node = (id: string, rack: string, freeBytes = 10, draining = false) => ({ id, rack, freeBytes, draining });

test.each([
  ['one of the rack that has two', [node('n1', 'r1'), node('n2', 'r1'), node('n3', 'r2')], 2, 'r1'],
  ['the one on the fullest disk of racks that are alike', [node('n1', 'r1', 9), node('n2', 'r2', 5), node('n3', 'r3', 7)], 2, 'n2'],
  ['the one that is to leave', [node('n1', 'r1'), node('n2', 'r1', 1), node('n3', 'r2', 10, true)], 2, 'n3'],
])('%s goes', (_, there, wanted, gone) => {
  const chosen = chooseSurplus(there, wanted);
  expect(chosen).toHaveLength(1);
  expect([chosen[0], there.find(({ id }) => id === chosen[0])!.rack]).toContain(gone);
});

it('none goes when as many as are wanted would not stay', () => {
  expect(chooseSurplus([node('n1', 'r1'), node('n2', 'r2')], 2)).toEqual([]);
  expect(chooseSurplus([node('n1', 'r1'), node('n2', 'r2', 1, true), node('n3', 'r3', 1, true)], 2)).toEqual([]);
  expect(chooseSurplus([], 1)).toEqual([]);
});

it('several go at once, and those that stay are in as many racks as there are', () => {
  const there = [node('n1', 'r1'), node('n2', 'r1'), node('n3', 'r1'), node('n4', 'r2'), node('n5', 'r3')];
  const gone = chooseSurplus(there, 3);
  expect(gone).toHaveLength(2);
  expect(new Set(there.filter(({ id }) => !gone.includes(id)).map(({ rack }) => rack)).size).toBe(3);
});
