import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CREDIT_BYTES_MAX,
  costOf,
  MESSAGE_BYTES_MAX,
  MESSAGE_COST_BYTES,
  ReadWindow,
  SendCredit,
  type Unread,
  WINDOW_BYTES_MAX,
  WINDOW_BYTES_SHRUNK,
} from '../../../../services/kuafu/core/credit.ts';
import { WINDOW_BYTES } from '../../../../services/kuafu/core/messages.ts';

const unreadOf = (bytesMax: number): Unread => ({ bytes: 0, bytesMax });

describe("a writer's credit", () => {
  test('is what was granted in all, less what was sent', () => {
    const credit = new SendCredit(1_000);
    credit.spend(1_500);
    expect(credit.leftBytes).toBe(-500);
    expect(credit.grant(2_000)).toBeUndefined();
    expect(credit.leftBytes).toBe(500);
  });

  test('does not change when a grant comes twice or late', () => {
    const credit = new SendCredit(1_000);
    for (const total of [3_000, 3_000, 2_000, 0]) expect(credit.grant(total)).toBeUndefined();
    expect(credit.leftBytes).toBe(3_000);
  });

  test.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '7', null, undefined, {}, 2 ** 60])('is not given by %j', (total) => {
    expect(new SendCredit(0).grant(total)).toMatch(/no number of bytes/);
  });

  test('has a bound', () => {
    const credit = new SendCredit(0);
    expect(credit.grant(CREDIT_BYTES_MAX + 1)).toMatch(/the limit is/);
    credit.spend(1);
    expect(credit.grant(CREDIT_BYTES_MAX + 1)).toBeUndefined();
  });
});

describe("a reader's window", () => {
  /** A reader that takes each message as it comes; returns the frames of credit it took. */
  const read = (window: ReadWindow, count: number, costBytes: number): number => {
    let grants = 0;
    for (let i = 0; i < count; i++) {
      const problem = window.arrived(costBytes);
      if (problem) throw new Error(problem);
      if (window.taken(costBytes) !== undefined) grants++;
    }
    return grants;
  };

  test('is given anew in batches, not for each small message', () => {
    const costBytes = costOf(30, 0);
    const grants = read(new ReadWindow(unreadOf(1e9)), 10_000, costBytes);
    expect(grants).toBeGreaterThan(1);
    expect(grants).toBeLessThanOrEqual(Math.ceil((10_000 * costBytes) / (WINDOW_BYTES / 4)));
  });

  test('grows while its reader keeps up, to a bound', () => {
    const window = new ReadWindow(unreadOf(1e9));
    read(window, 4, WINDOW_BYTES / 4);
    expect(window.windowBytes).toBe(2 * WINDOW_BYTES);
    read(window, 100, 1024 * 1024);
    expect(window.windowBytes).toBe(WINDOW_BYTES_MAX);
  });

  test('does not grow for a reader that is behind', () => {
    const window = new ReadWindow(unreadOf(1e9));
    const costBytes = WINDOW_BYTES / 8;
    for (let i = 0; i < 5; i++) expect(window.arrived(costBytes)).toBeUndefined();
    for (let i = 0; i < 200; i++) {
      expect(window.arrived(costBytes)).toBeUndefined();
      window.taken(costBytes);
    }
    expect(window.windowBytes).toBe(WINDOW_BYTES);
  });

  test('falls back when all streams together hold too much, and its stream still gets on', () => {
    const unread = unreadOf(10e6);
    const window = new ReadWindow(unread);
    read(window, 100, 1024 * 1024);
    unread.bytes += 20e6; // another stream's
    let granted = 0;
    for (let i = 0; i < 20; i++) {
      expect(window.arrived(1024 * 1024)).toBeUndefined();
      granted = window.taken(1024 * 1024) ?? granted;
    }
    expect(window.windowBytes).toBe(WINDOW_BYTES);
    expect(granted).toBe(120 * 1024 * 1024 + WINDOW_BYTES_SHRUNK);
  });

  test('gives back what nobody will read', () => {
    const unread = unreadOf(1e9);
    const window = new ReadWindow(unread);
    window.arrived(1_000);
    window.arrived(2_000);
    window.taken(1_000);
    expect(unread.bytes).toBe(2_000);
    window.close();
    window.close();
    expect(unread.bytes).toBe(0);
    expect(window.arrived(5_000)).toBeUndefined();
    expect(unread.bytes).toBe(0);
  });
});

test('a writer that keeps to its credit is never refused, never holds a reader up for good, and bounds what is unread', () => {
  const step = fc.record({ bytes: fc.oneof(fc.nat(500), fc.nat(MESSAGE_BYTES_MAX)), takes: fc.nat(6), pressed: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 200 }), (steps) => {
      const unread = unreadOf(32e6);
      const window = new ReadWindow(unread);
      const credit = new SendCredit(WINDOW_BYTES);
      const held: number[] = [];
      const take = (): void => {
        const costBytes = held.shift()!;
        const total = window.taken(costBytes);
        if (total !== undefined) expect(credit.grant(total)).toBeUndefined();
      };
      for (const { bytes, takes, pressed } of steps) {
        const other = pressed ? 64e6 : 0;
        unread.bytes += other;
        if (credit.leftBytes > 0) {
          const costBytes = costOf(bytes, 0);
          credit.spend(costBytes);
          expect(window.arrived(costBytes)).toBeUndefined();
          held.push(costBytes);
        }
        for (let i = 0; i < takes && held.length > 0; i++) take();
        unread.bytes -= other;
        expect(window.unreadBytes).toBeLessThanOrEqual(WINDOW_BYTES_MAX + MESSAGE_BYTES_MAX + MESSAGE_COST_BYTES);
      }
      while (held.length > 0) take();
      expect(credit.leftBytes).toBeGreaterThan(0);
      expect(unread.bytes).toBe(0);
    }),
  );
});

test('data without credit is refused', () => {
  const window = new ReadWindow(unreadOf(1e9));
  expect(window.arrived(WINDOW_BYTES - 1)).toBeUndefined();
  expect(window.arrived(costOf(MESSAGE_BYTES_MAX, 0))).toBeUndefined(); // one message may reach beyond
  expect(window.arrived(1)).toMatch(/without credit/);
});
