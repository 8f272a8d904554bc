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
  /** Those before it were given. */
  #head = 0;
  #given = 0;
  #turnDue = false;

  constructor(options: { nextTurn?: (run: () => void) => void; perTurn?: number } = {}) {
    this.#nextTurn = options.nextTurn ?? ((run) => void setImmediate(run));
    this.#perTurn = options.perTurn ?? ANSWERS_PER_TURN;
  }

  get waiting(): number {
    return this.#waiting.length - this.#head;
  }

  /** Now, or when it is its turn. */
  give(answer: () => void): void {
    if (!this.#turnDue) this.#planTurn();
    if (this.waiting > 0 || this.#given >= this.#perTurn) this.#waiting.push(answer);
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
      if (this.waiting === 0) return;
      this.#planTurn();
      const end = Math.min(this.#waiting.length, this.#head + this.#perTurn);
      this.#given = end - this.#head;
      while (this.#head < end) this.#waiting[this.#head++]!();
      // Moved down when half of it is done, or it would never be where there is always one more.
      if (this.#head < this.#waiting.length - this.#head) return;
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    });
  }
}
