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

/** One copy is never slower than this: it must end in a time that somebody waits for. The mean is kept by when copies begin. */
const COPY_BYTES_PER_SECOND_MIN = 4 * 1024 * 1024;

/** At what pace each of several copies goes, so that together they are within the bound without bursts that others would feel. */
export function paceOfOne(bytesPerSecond: number, atOnce: number): number {
  return Math.ceil(Math.max(COPY_BYTES_PER_SECOND_MIN, bytesPerSecond / Math.max(1, atOnce)));
}
