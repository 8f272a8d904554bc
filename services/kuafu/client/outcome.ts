import { hasCode } from '../../base/errors.ts';
import { KuafuError } from '../contract.ts';
import type { Outcome } from '../core/breaker.ts';

/** A hint is followed so far and no further: the caller's deadline is its own affair. */
const RETRY_AFTER_MS_MAX = 1_000;

/** What a failed try says of the instance it went to. */
export function outcomeOf(error: unknown, facts: { broke: boolean; neverRan: boolean }, unanswered: boolean): Outcome {
  if (unanswered) return 'unanswered';
  // An instance that cannot take calls has failed them, whoever says so.
  if (facts.broke || (facts.neverRan && hasCode(error, 'Unavailable'))) return 'broke';
  // Whose caller gave up may have been about to be answered.
  return hasCode(error, 'Cancelled', 'DeadlineExceeded') ? 'abandoned' : 'answered';
}

/** When a refused call may be made again, at the earliest. */
export function retryAfterMs(error: unknown): number {
  const hint = error instanceof KuafuError ? error.details.retryAfterMs : undefined;
  return typeof hint === 'number' ? Math.min(hint, RETRY_AFTER_MS_MAX) : 0;
}
