interface Held {
  from: number;
  to: number;
  done: Promise<void>;
}

/**
 * Ranges of a file that somebody works on. Work on ranges that overlap is done in the order in which it was asked for, all other at once: two writes to the
 * same bytes come out alike on every replica, whichever way each takes.
 */
export class HeldRanges {
  readonly #held = new Set<Held>();

  async hold<T>(from: number, to: number, work: () => Promise<T>): Promise<T> {
    const before = this.settled(from, to);
    let release!: () => void;
    const held: Held = { from, to, done: new Promise((resolve) => (release = resolve)) };
    this.#held.add(held);
    try {
      if (before) await before;
      return await work();
    } finally {
      this.#held.delete(held);
      release();
    }
  }

  /** Undefined: nobody works there now. */
  settled(from: number, to: number): Promise<unknown> | undefined {
    const before = [...this.#held].filter((other) => other.from < to && from < other.to);
    return before.length > 0 ? Promise.all(before.map(({ done }) => done)) : undefined;
  }
}
