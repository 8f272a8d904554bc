/**
 * How many second tries a client may make (Dean and Barroso, "The tail at scale", 2013: a second request after the time that 95% of calls
 * take cuts the tail for a few percent of load). When a whole cluster is slow every call is late, and hedging all of them would double its load just
 * then. So hedges are paid for: each call earns a twentieth of one, and what is not spent is kept for a moment, not for ever.
 *
 * Invariant: of n calls at most n/20 + 10 are hedged.
 */
const EARNED_PER_CALL = 0.05;
const KEPT_MAX = 10;

export class HedgeBudget {
  #tokens = KEPT_MAX;

  earn(): void {
    this.#tokens = Math.min(KEPT_MAX, this.#tokens + EARNED_PER_CALL);
  }

  /** False: there is nothing left to pay with. */
  take(): boolean {
    // Twenty times a twentieth is a hair less than one.
    if (this.#tokens < 1 - 1e-9) return false;
    this.#tokens -= 1;
    return true;
  }
}
