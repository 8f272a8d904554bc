import { setTimeout as delay } from 'node:timers/promises';
import { Latencies } from './latencies.ts';
import { type OwnResult, wallMs } from './own-plan.ts';

/** Of so many watchers one notes how long events took; all of them count. */
const SAMPLED_EVERY = 10;

/** What all watchers of this process hear. */
export class Heard {
  readonly #latencies = new Latencies();
  #events = 0;
  #lastMs = 0;
  readonly #seconds: number;

  constructor(seconds: number) {
    this.#seconds = seconds;
  }

  event(loop: number, announcedMs: () => number): void {
    this.#events++;
    this.#lastMs = performance.now();
    if (loop % SAMPLED_EVERY === 0) this.#latencies.add(Math.max(0, wallMs() - announcedMs()));
  }

  async listen(): Promise<OwnResult> {
    const startedMs = performance.now();
    await delay(this.#seconds * 1000);
    // What was announced last is still on its way.
    for (let seen = -1; seen !== this.#events; ) {
      seen = this.#events;
      await delay(500);
    }
    return {
      operations: this.#events,
      errors: 0,
      latencies: this.#latencies.toJSON(),
      tookMs: Math.max(1, this.#lastMs - startedMs),
    };
  }
}
