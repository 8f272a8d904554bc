/**
 * When to renew a certificate.
 *
 * Renew early enough that the authority may be away for hours, late enough that it is not asked all day: at two thirds of the certificate's life. All machines
 * of a cluster may have been started in one minute, so each takes a random part of the twentieth of the life before that moment: the authority hears of them
 * over an hour and more, not at once. After a failure the pause is a share of the time that is left, so that tries come faster as the end nears: some
 * are left however long it has been, and an authority that comes back does not meet all machines in the same second.
 *
 * Invariants, for a life L and any jitter in [0, 1):
 *   1. the first try is due in (L × (2/3 − 1/20), L × 2/3] after the beginning;
 *   2. after a failure before the end the next try comes before the end, as long as there is more than a second left;
 *   3. urgency never falls as time goes on.
 */
export interface Life {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** `late`: half of what there was between due and end is gone; somebody should look. */
export const URGENCIES = ['fresh', 'due', 'late', 'expired'] as const;
export type Urgency = (typeof URGENCIES)[number];

export interface RenewalPlan {
  readonly urgency: Urgency;
  /** Until the next try; 0: now. */
  readonly waitMs: number;
}

const DUE_SHARE = 2 / 3;
const JITTER_SHARE = 1 / 20;
/** Of the time left: about seven tries until it has halved. */
const PAUSE_SHARE = 1 / 10;
/** Bounds of a pause after a failure: no storm at the end, and no hour of waiting for an authority that is back. */
export const PAUSE_MS_MIN = 1_000;
export const PAUSE_MS_MAX = 600_000;
/** An expired certificate can't renew itself; files that somebody puts there are noticed at once, so this is for the log. */
export const PAUSE_EXPIRED_MS = 60_000;

export function renewalDueMs({ notBeforeMs, notAfterMs }: Life, jitter: number): number {
  return notBeforeMs + (notAfterMs - notBeforeMs) * (DUE_SHARE - JITTER_SHARE * jitter);
}

/** `failedAtMs`: when the last try got none, if it did. `jitter`: in [0, 1), drawn once for each certificate. */
export function renewalPlan(life: Life, nowMs: number, failedAtMs: number | undefined, jitter: number): RenewalPlan {
  const dueMs = renewalDueMs(life, jitter);
  const tryMs = failedAtMs === undefined ? dueMs : Math.max(dueMs, failedAtMs + pauseMs(life.notAfterMs - failedAtMs, jitter));
  return { urgency: urgencyAt(life, nowMs, dueMs), waitMs: Math.max(0, tryMs - nowMs) };
}

function urgencyAt({ notAfterMs }: Life, nowMs: number, dueMs: number): Urgency {
  if (nowMs >= notAfterMs) return 'expired';
  if (nowMs < dueMs) return 'fresh';
  return nowMs < (dueMs + notAfterMs) / 2 ? 'due' : 'late';
}

function pauseMs(leftMs: number, jitter: number): number {
  if (leftMs <= 0) return PAUSE_EXPIRED_MS;
  return Math.max(PAUSE_MS_MIN, Math.min(PAUSE_MS_MAX, leftMs * PAUSE_SHARE * (0.75 + 0.5 * jitter)));
}
