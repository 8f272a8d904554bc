/** How long requests took, from when they came to when they were answered: least, mean and most since the start, as `stat` and `mntr` tell. */
export class Latency {
  #count = 0;
  #sumMs = 0;
  #minMs = Number.POSITIVE_INFINITY;
  #maxMs = 0;

  note(ms: number): void {
    this.#count++;
    this.#sumMs += ms;
    if (ms < this.#minMs) this.#minMs = ms;
    if (ms > this.#maxMs) this.#maxMs = ms;
  }

  get minMs(): number {
    return this.#count === 0 ? 0 : this.#minMs;
  }

  get meanMs(): number {
    return this.#count === 0 ? 0 : this.#sumMs / this.#count;
  }

  get maxMs(): number {
    return this.#maxMs;
  }
}
