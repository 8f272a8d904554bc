/**
 * How many calls are answered in one turn of the event loop. All reads of a turn may be answered at once, and there may be a hundred thousand of them: what their replies
 * take to be encoded and sent would be a second in which no heartbeat leaves. Past the share of a turn answers wait for the next ones, in their order, and
 * between two turns peers and the clock are heard. An answer that waits shows what is newer, and as true.
 */
const ANSWERS_PER_TURN = 256;

export class Answers {
  readonly #nextTurn: (run: () => void) => void;
  readonly #perTurn: number;
  #waiting: (() => void)[] = [];
  #given = 0;
  #turnDue = false;

  constructor(options: { nextTurn?: (run: () => void) => void; perTurn?: number } = {}) {
    this.#nextTurn = options.nextTurn ?? ((run) => void setImmediate(run));
    this.#perTurn = options.perTurn ?? ANSWERS_PER_TURN;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Now, or when it is its turn. */
  give(answer: () => void): void {
    if (!this.#turnDue) this.#planTurn();
    if (this.#waiting.length > 0 || this.#given >= this.#perTurn) this.#waiting.push(answer);
    else {
      this.#given++;
      answer();
    }
  }

  #planTurn(): void {
    this.#turnDue = true;
    this.#nextTurn(() => {
      this.#turnDue = false;
      this.#given = 0;
      if (this.#waiting.length === 0) return;
      const all = this.#waiting;
      this.#given = Math.min(all.length, this.#perTurn);
      this.#waiting = all.slice(this.#given);
      this.#planTurn();
      for (let i = 0; i < this.#given; i++) all[i]!();
    });
  }
}
