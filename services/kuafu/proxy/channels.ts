import { type Clock, systemClock } from '../../base/clock.ts';
import type { Farewell } from './farewell.ts';

/** The channels of one proxy that are open, for when it stops. */
export interface OpenChannel {
  /** Absent until whoever is wanted has been reached. */
  farewell?: Farewell;
  cut(reason: string): void;
}

const REASON = 'the proxy is closing';

export class Channels {
  readonly #open = new Set<OpenChannel>();
  readonly #clock: Clock;
  #leaving = false;
  #onIdle: (() => void) | undefined;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#open.size;
  }

  get leaving(): boolean {
    return this.#leaving;
  }

  add(channel: OpenChannel): void {
    this.#open.add(channel);
  }

  /** Its way back to the caller is there. */
  reached(channel: OpenChannel, farewell: Farewell): void {
    channel.farewell = farewell;
    if (this.#leaving) farewell.leave(REASON);
  }

  delete(channel: OpenChannel): void {
    this.#open.delete(channel);
    if (this.#open.size === 0) this.#onIdle?.();
  }

  /** Tells all callers to go away, waits until they have, and cuts off who has not when the grace is over. */
  async drain(graceMs: number): Promise<void> {
    this.#leaving = true;
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    for (const { farewell } of [...this.#open]) farewell?.leave(REASON);
    const grace = new AbortController();
    if (this.#open.size > 0) await Promise.race([idle, this.#clock.sleep(graceMs, grace.signal).catch(() => {})]);
    grace.abort();
    for (const channel of [...this.#open]) channel.cut(REASON);
  }
}
