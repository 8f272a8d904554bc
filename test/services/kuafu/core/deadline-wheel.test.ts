import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DeadlineWheel } from '../../../../services/kuafu/core/deadline-wheel.ts';

test('items come due in order, never early, and at most a slot late', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ atMs: fc.nat(500), removed: fc.boolean() }), { maxLength: 50 }),
      fc.array(fc.integer({ min: 1, max: 40 })),
      (items, steps) => {
        const wheel = new DeadlineWheel<(typeof items)[number]>();
        for (const item of items) wheel.add(item);
        for (const item of items) if (item.removed) wheel.remove(item);
        const kept = items.filter(({ removed }) => !removed);
        expect(wheel.size).toBe(kept.length);
        const seen: (typeof items)[number][] = [];
        let nowMs = 0;
        for (const step of [...steps, 1_000]) {
          nowMs += step;
          const next = wheel.nextAtMs;
          const due = wheel.takeDue(nowMs);
          for (const item of due) {
            expect(item.atMs).toBeLessThanOrEqual(nowMs);
            expect(next).toBeLessThanOrEqual(nowMs);
          }
          seen.push(...due);
          for (const item of kept) if (item.atMs + 8 <= nowMs) expect(seen).toContain(item);
        }
        expect(seen.length).toBe(kept.length);
        expect(wheel.size).toBe(0);
      },
    ),
  );
});

test('an item removed twice or after it was due is counted once', () => {
  const wheel = new DeadlineWheel();
  const item = { atMs: 5 };
  wheel.add(item);
  wheel.remove(item);
  wheel.remove(item);
  expect(wheel.size).toBe(0);
  wheel.add(item);
  expect(wheel.takeDue(100)).toEqual([item]);
  wheel.remove(item);
  expect(wheel.size).toBe(0);
});
