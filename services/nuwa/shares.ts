/**
 * How much of a server's time clients get. All that a server does is done on one event loop: what peers say, ticks, and the sync of the disk wait while
 * requests are read and answers are written. Forty clients that each sent four thousand small requests at once, all of them legal, would keep it busy for
 * a second and more, and a leader that is silent for so long is a leader no more.
 *
 * So clients are worked for within a share of each turn of the loop. What is asked while the share lasts is done at once, which is nearly always. Past it
 * who has something to do waits in a row, and the row is gone through in the next turns, a short slice for each, the first in the row first: between
 * two turns the loop looks at what came from peers and at the clock. Who asks for much waits for itself, and who asks for little waits one slice of each of
 * the others.
 *
 * Invariants:
 *   1. who is in the row is there once, and a turn is due as long as anybody is.
 *   2. nobody is worked for past the share of a turn, but for the one step that each worker takes at the least.
 */
export interface Worker {
  /** Works until then, at least one step. @returns whether there is more to do. */
  work(untilMs: number): boolean;
}

/** Of each turn. Batches of changes are as large as what it lets through; at ten times this heartbeats would come late. */
const SHARE_MS = 10;
/** A hundred small requests. Shorter ones would cost more than they do. */
const SLICE_MS = 0.5;

export interface SharesOptions {
  /** @default performance.now */
  nowMs?: () => number;
  /** Runs it in the next turn of the event loop. @default setImmediate */
  nextTurn?: (run: () => void) => void;
  /** @default 10 */
  shareMs?: number;
  /** @default 0.5 */
  sliceMs?: number;
}

export class Shares {
  readonly #nowMs: () => number;
  readonly #nextTurn: (run: () => void) => void;
  readonly #shareMs: number;
  readonly #sliceMs: number;
  readonly #row = new Set<Worker>();
  #usedMs = 0;
  #turnDue = false;
  #working: Worker | undefined;

  constructor(options: SharesOptions = {}) {
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#nextTurn = options.nextTurn ?? ((run) => void setImmediate(run));
    this.#shareMs = options.shareMs ?? SHARE_MS;
    this.#sliceMs = options.sliceMs ?? SLICE_MS;
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.#row.size;
  }

  has(worker: Worker): boolean {
    return this.#row.has(worker);
  }

  /** There is something to do for it: now, or when it is its turn. */
  want(worker: Worker): void {
    if (this.#row.has(worker)) return;
    this.#planTurn();
    // Work that makes work for others, or for itself: one after the other.
    if (this.#working || this.#row.size > 0 || this.#usedMs >= this.#shareMs) this.#row.add(worker);
    else this.#give(worker);
  }

  forget(worker: Worker): void {
    this.#row.delete(worker);
  }

  #give(worker: Worker): void {
    const startMs = this.#nowMs();
    this.#working = worker;
    let more = false;
    try {
      more = worker.work(startMs + Math.min(this.#sliceMs, this.#shareMs - this.#usedMs));
    } finally {
      this.#working = undefined;
      this.#usedMs += this.#nowMs() - startMs;
    }
    if (more) this.#row.add(worker);
  }

  #planTurn(): void {
    if (this.#turnDue) return;
    this.#turnDue = true;
    this.#nextTurn(() => {
      this.#turnDue = false;
      this.#usedMs = 0;
      this.#goThrough();
      // What comes in this turn of the loop after now counts with what was just done.
      if (this.#row.size > 0 || this.#usedMs > 0) this.#planTurn();
    });
  }

  #goThrough(): void {
    for (const worker of this.#row) {
      if (this.#usedMs >= this.#shareMs) return;
      this.#row.delete(worker);
      this.#give(worker);
    }
  }
}
