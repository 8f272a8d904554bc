/**
 * How many pieces a reader that goes straight on asks for ahead. Whoever takes bytes more slowly than they come needs hardly any of them in memory; whoever waits for
 * each next one needs more under way, on several servers at once. So the window begins small and doubles each time its owner had to wait, up to a bound.
 *
 * Invariant: PIECES_MIN <= pieces <= PIECES_MAX.
 */
const PIECES_MIN = 2;
/** With 1 MiB each: as much as three servers and a network with 10 ms there and back keep busy at 1 GB/s. */
const PIECES_MAX = 12;
/** After so many that were there when they were wanted, one less is asked for. */
const CALM = 64;

export class ReadWindow {
  #pieces = PIECES_MIN;
  #calm = 0;

  get pieces(): number {
    return this.#pieces;
  }

  /** To be told of each piece when it is wanted: `late` if it was not there yet. */
  wanted(late: boolean): void {
    if (late) {
      this.#pieces = Math.min(PIECES_MAX, this.#pieces * 2);
      this.#calm = 0;
    } else if (++this.#calm >= CALM) {
      this.#pieces = Math.max(PIECES_MIN, this.#pieces - 1);
      this.#calm = 0;
    }
  }
}
