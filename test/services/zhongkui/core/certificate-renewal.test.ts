import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Life,
  PAUSE_EXPIRED_MS,
  PAUSE_MS_MAX,
  renewalDueMs,
  renewalPlan,
  URGENCIES,
} from '../../../../services/zhongkui/core/certificate-renewal.ts';

const HOUR_MS = 3_600_000;
const DAY: Life = { notBeforeMs: 0, notAfterMs: 24 * HOUR_MS };

test.each([
  ['a fresh certificate waits for two thirds of its life', 0, undefined, 0, 'fresh', 16 * HOUR_MS],
  ['jitter makes it earlier, never later', 0, undefined, 0.5, 'fresh', 15.4 * HOUR_MS],
  ['one that is due is renewed at once', 16 * HOUR_MS, undefined, 0, 'due', 0],
  ['after a failure there is a pause', 16 * HOUR_MS, 16 * HOUR_MS, 0, 'due', PAUSE_MS_MAX],
  ['of which what has passed is not waited for again', 16 * HOUR_MS + 60_000, 16 * HOUR_MS, 0, 'due', PAUSE_MS_MAX - 60_000],
  ['half way from due to end it is late', 20 * HOUR_MS, undefined, 0, 'late', 0],
  ['near the end tries come quickly', 24 * HOUR_MS - 60_000, 24 * HOUR_MS - 60_000, 0, 'late', 4_500],
  ['an expired one is looked after', 24 * HOUR_MS, undefined, 0, 'expired', 0],
  ['and not in a hurry', 25 * HOUR_MS, 25 * HOUR_MS, 0, 'expired', PAUSE_EXPIRED_MS],
] as const)('%s', (_, nowMs, failedAtMs, jitter, urgency, waitMs) => {
  const plan = renewalPlan(DAY, nowMs, failedAtMs, jitter);
  expect(plan.urgency).toBe(urgency);
  expect(plan.waitMs).toBeCloseTo(waitMs, 3);
});

const lives = fc
  .record({ notBeforeMs: fc.integer({ min: 0, max: 2e12 }), lifeMs: fc.integer({ min: 60_000, max: 400 * 24 * HOUR_MS }) })
  .map(({ notBeforeMs, lifeMs }) => ({ notBeforeMs, notAfterMs: notBeforeMs + lifeMs }));
const jitters = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test('the first try is due in the twentieth of the life that ends with its second third', () => {
  fc.assert(
    fc.property(lives, jitters, (life, jitter) => {
      const lifeMs = life.notAfterMs - life.notBeforeMs;
      const dueAfterMs = renewalDueMs(life, jitter) - life.notBeforeMs;
      // A millisecond for the rounding of numbers of this size.
      expect(dueAfterMs).toBeGreaterThan(lifeMs * (2 / 3 - 1 / 20) - 1);
      expect(dueAfterMs).toBeLessThan((lifeMs * 2) / 3 + 1);
    }),
  );
});

test('however often it fails, tries go on until the end: each before it, and none too long after the other', () => {
  fc.assert(
    fc.property(lives, jitters, (life, jitter) => {
      // Of a long life the last day is enough: before that a pause is as long as it may be.
      let nowMs = Math.max(renewalDueMs(life, jitter), life.notAfterMs - 24 * HOUR_MS);
      let tries = 0;
      while (life.notAfterMs - nowMs > 1_000) {
        const { waitMs } = renewalPlan(life, nowMs, nowMs, jitter);
        if (!(waitMs > 0 && waitMs <= PAUSE_MS_MAX && nowMs + waitMs < life.notAfterMs)) return false;
        nowMs += waitMs;
        tries++;
      }
      return tries >= 12;
    }),
  );
});

test('urgency never falls as time goes on', () => {
  fc.assert(
    fc.property(lives, jitters, fc.array(fc.double({ min: -0.1, max: 1.2, noNaN: true }), { minLength: 2 }), (life, jitter, shares) => {
      const at = (share: number): number => {
        const nowMs = life.notBeforeMs + share * (life.notAfterMs - life.notBeforeMs);
        return URGENCIES.indexOf(renewalPlan(life, nowMs, undefined, jitter).urgency);
      };
      const urgencies = [...shares].sort((a, b) => a - b).map(at);
      expect(urgencies).toEqual([...urgencies].sort((a, b) => a - b));
    }),
  );
});
