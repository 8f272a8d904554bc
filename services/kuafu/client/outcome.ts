import { hasCode } from '../../base/errors.ts';
import type { Outcome } from '../core/breaker.ts';

/** What a failed try says of the instance it went to. */
export function outcomeOf(error: unknown, facts: { broke: boolean; neverRan: boolean }, unanswered: boolean): Outcome {
  if (unanswered) return 'unanswered';
  // An instance that cannot take calls has failed them, whoever says so.
  if (facts.broke || (facts.neverRan && hasCode(error, 'Unavailable'))) return 'broke';
  // Whose caller gave up may have been about to be answered.
  return hasCode(error, 'Cancelled', 'DeadlineExceeded') ? 'abandoned' : 'answered';
}
