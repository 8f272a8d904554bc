/**
 * A circuit breaker for one instance. A try that fails costs its caller time; an instance that fails one try after the other should cost that
 * once, not each caller again. So its failures open the breaker, and calls go elsewhere while it is open; when the time is up one call goes there
 * as a probe, and its outcome decides for all.
 *
 *   closed ----failures----> open ----its time is up, a call begins----> halfOpen
 *     ^                       ^                                            |
 *     |                       +------------- a failure, twice the time ----+
 *     +---------------------- any answer ----------------------------------+
 *
 * What counts as a failure: that a try was left unanswered, that its connection broke or could not be had, that the instance could not take it. What a
 * handler answers, errors too, shows that the instance works. How many failures it takes depends on what each cost:
 *
 *   unanswered   one: the caller has waited its whole try for it; a process that stands still keeps its connections, so nothing else tells
 *   broken       three in a row: one is a restart or a lost packet
 *   broken       half of at least 20 tries in 10 s: an instance that answers now and then never fails three in a row
 *
 * It advises and does not forbid: where all instances are open one of them is asked all the same (pick.ts), and any answer closes its breaker. So a
 * cluster that recovers is found at once.
 *
 * Invariants: 1. `half-open` lets one call through until it ends; 2. of calls that fail together the first opens the breaker and the others
 * change nothing; 3. a breaker that never saw a failure is the value CLOSED itself, so calls that go well allocate nothing.
 */
export type Breaker =
  | {
      readonly kind: 'closed';
      /** Failures in a row. */
      readonly inRow: number;
      /** Since the first failure of the window; both 0 when there was none. */
      readonly failed: number;
      readonly answered: number;
      readonly sinceMs: number;
    }
  | { readonly kind: 'open'; readonly untilMs: number; readonly times: number }
  | { readonly kind: 'halfOpen'; readonly probing: boolean; readonly times: number };

/** How a try ended. `abandoned`: its caller gave up, which says nothing of the instance. */
export type Outcome = 'answered' | 'unanswered' | 'broke' | 'abandoned';

export const CLOSED: Breaker = { kind: 'closed', inRow: 0, failed: 0, answered: 0, sinceMs: 0 };

const IN_ROW_MAX = 3;
const WINDOW_MS = 10_000;
const WINDOW_TRIES_MIN = 20;
const FAILED_SHARE_MAX = 1 / 2;
/** Soon enough that a moment's pause costs little; doubled, so that a dead machine costs one call now and then. */
const OPEN_MS = 500;
const OPEN_MS_MAX = 8_000;

/** Whether a call should go there, if it has the choice. */
export function lets(breaker: Breaker, nowMs: number): boolean {
  switch (breaker.kind) {
    case 'closed':
      return true;
    case 'open':
      return nowMs >= breaker.untilMs;
    case 'halfOpen':
      return !breaker.probing;
  }
}

/** Nothing is known that would be lost if it were forgotten. */
export function isBlank(breaker: Breaker, nowMs: number): boolean {
  return breaker.kind === 'closed' && (breaker.failed === 0 || nowMs - breaker.sinceMs > WINDOW_MS);
}

/** A call goes there. */
export function begin(breaker: Breaker, nowMs: number): Breaker {
  if (breaker.kind === 'closed' || !lets(breaker, nowMs)) return breaker;
  return { kind: 'halfOpen', probing: true, times: breaker.times };
}

/** A call that went there has ended. */
export function end(breaker: Breaker, outcome: Outcome, nowMs: number): Breaker {
  if (outcome === 'abandoned') return breaker.kind === 'halfOpen' ? { ...breaker, probing: false } : breaker;
  switch (breaker.kind) {
    case 'closed':
      return outcome === 'answered' ? answered(breaker, nowMs) : failed(breaker, outcome, nowMs);
    case 'open':
      return outcome === 'answered' ? CLOSED : breaker;
    case 'halfOpen':
      return outcome === 'answered' ? CLOSED : becomeOpen(breaker.times, nowMs);
  }
}

type Closed = Extract<Breaker, { kind: 'closed' }>;

function answered(breaker: Closed, nowMs: number): Breaker {
  if (breaker.failed === 0) return breaker;
  if (nowMs - breaker.sinceMs > WINDOW_MS) return CLOSED;
  return { ...breaker, inRow: 0, answered: breaker.answered + 1 };
}

function failed(breaker: Closed, outcome: 'unanswered' | 'broke', nowMs: number): Breaker {
  if (outcome === 'unanswered') return becomeOpen(0, nowMs);
  const fresh = isBlank(breaker, nowMs);
  const next: Closed = {
    kind: 'closed',
    inRow: breaker.inRow + 1,
    failed: fresh ? 1 : breaker.failed + 1,
    answered: fresh ? 0 : breaker.answered,
    sinceMs: fresh ? nowMs : breaker.sinceMs,
  };
  const tries = next.failed + next.answered;
  const often = tries >= WINDOW_TRIES_MIN && next.failed >= tries * FAILED_SHARE_MAX;
  return next.inRow >= IN_ROW_MAX || often ? becomeOpen(0, nowMs) : next;
}

/** `times`: how often it has been open before, with no answer since. */
function becomeOpen(times: number, nowMs: number): Breaker {
  return { kind: 'open', untilMs: nowMs + Math.min(OPEN_MS_MAX, OPEN_MS * 2 ** times), times: times + 1 };
}
