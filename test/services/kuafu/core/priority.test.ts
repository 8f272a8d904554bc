import { expect, test } from 'vitest';
import { PRIORITIES } from '../../../../services/kuafu/contract.ts';
import { FLAGS } from '../../../../services/kuafu/core/frame.ts';
import { flagsOf, priorityOf, replyFlagsOf, roomWithin } from '../../../../services/kuafu/core/priority.ts';

test.each([
  [8_192, 4_096, 7_680, 8_192],
  [16, 8, 15, 16],
  [2, 1, 2, 2],
  [1, 1, 1, 1],
])('of a bound of %i low calls find room up to %i, normal ones to %i, high ones to %i', (bound, low, normal, high) => {
  expect(PRIORITIES.map((priority) => roomWithin(bound, priority))).toEqual([low, normal, high]);
});

test.each(PRIORITIES)('priority %s travels in the flags, and comes back with the reply', (priority) => {
  const flags = flagsOf({ priority });
  expect(priorityOf(flags)).toBe(priority);
  expect(priorityOf(replyFlagsOf(flags))).toBe(priority);
  expect(priorityOf(flagsOf({ priority, compress: true }))).toBe(priority);
});

test('a reply is compressed when its request said so, not when it came compressed', () => {
  expect(flagsOf({})).toBe(0);
  expect(replyFlagsOf(flagsOf({ compress: true }))).toBe(FLAGS.compressed);
  expect(replyFlagsOf(FLAGS.compressed)).toBe(0);
});
