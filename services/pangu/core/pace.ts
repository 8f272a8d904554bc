/**
 * Spaces work out to so many bytes a second. Each piece begins when those before it would have ended at that pace, so the mean holds whatever the pieces'
 * lengths; time that nobody used is not saved up, so that what comes after a pause does not come in a burst.
 */
export class Pace {
  #bytesPerSecond: number;
  #freeAtMs = Number.NEGATIVE_INFINITY;

  /** Infinity: no bound. */
  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  get bytesPerSecond(): number {
    return this.#bytesPerSecond;
  }

  set bytesPerSecond(rate: number) {
    this.#bytesPerSecond = rate;
  }

  /** @returns how long to wait before these bytes. */
  take(bytes: number, nowMs: number): number {
    const startMs = Math.max(nowMs, this.#freeAtMs);
    this.#freeAtMs = startMs + (bytes / this.#bytesPerSecond) * 1_000;
    return startMs - nowMs;
  }
}
