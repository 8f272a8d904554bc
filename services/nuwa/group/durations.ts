import type { Sample } from '../../base/metrics.ts';
import { SECONDS } from '../../base/seconds.ts';

const BOUNDS_MS = SECONDS.map((seconds) => seconds * 1000);

/** How often something took how long, in plain fields: observing costs a few nanoseconds, and it is a histogram when somebody asks. */
export class Durations {
  readonly #buckets: number[] = new Array(SECONDS.length + 1).fill(0);
  #sumMs = 0;
  count = 0;

  observe(ms: number, times = 1): void {
    let at = 0;
    while (at < BOUNDS_MS.length && ms > BOUNDS_MS[at]!) at++;
    this.#buckets[at]! += times;
    this.#sumMs += ms * times;
    this.count += times;
  }

  *samples(): Iterable<Sample<'le'>> {
    let below = 0;
    for (const [i, count] of this.#buckets.entries()) {
      below += count;
      yield { labels: { le: i < SECONDS.length ? SECONDS[i] : '+Inf' }, value: below, suffix: '_bucket' };
    }
    yield { value: this.#sumMs / 1000, suffix: '_sum' };
    yield { value: this.count, suffix: '_count' };
  }
}
