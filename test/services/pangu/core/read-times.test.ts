import { expect, it } from 'vitest';
import { ReadTimes } from '../../../../services/pangu/core/read-times.ts';
import { ReadWindow } from '../../../../services/pangu/core/read-window.ts';

it('holds a read late when it takes longer than 95 of a hundred of that node and size, within bounds', () => {
  const times = new ReadTimes();
  expect(times.lateAfterMs('n1', 4_096)).toBe(500);
  for (let i = 0; i < 64; i++) times.note('n1', 4_096, i < 62 ? 10 : 90);
  for (let i = 0; i < 64; i++) times.note('n1', 1 << 20, 2_000);
  for (let i = 0; i < 64; i++) times.note('n2', 4_096, 0.1);
  expect(times.lateAfterMs('n1', 4_096)).toBe(10);
  expect(times.lateAfterMs('n1', 1 << 20)).toBe(500);
  expect(times.lateAfterMs('n2', 4_096)).toBe(5);
});

it('pays for one more read of twenty, and for a moment in which a server stands still', () => {
  const times = new ReadTimes();
  let made = 0;
  for (let i = 0; i < 10_000; i++) {
    times.earn();
    if (times.pay()) made++;
  }
  expect(made).toBeGreaterThan(500);
  expect(made).toBeLessThanOrEqual(10_000 / 20 + 32);
});

it('says that a node stands still when it was overtaken again and again, and answered nothing between', () => {
  const times = new ReadTimes();
  const overtaken = () => times.noteOvertaken('n1', 4_096, 50);
  expect([overtaken(), overtaken(), overtaken()]).toEqual([false, false, true]);
  times.note('n1', 4_096, 1);
  expect(overtaken()).toBe(false);
});

it('asks for more ahead when its owner waits, within bounds, and for less when it does not', () => {
  const window = new ReadWindow();
  const seen = [window.pieces];
  for (let i = 0; i < 5; i++) {
    window.wanted(true);
    seen.push(window.pieces);
  }
  expect(seen).toEqual([2, 4, 8, 12, 12, 12]);
  for (let i = 0; i < 64 * 20; i++) window.wanted(false);
  expect(window.pieces).toBe(2);
});
