import type { Clock } from '../base/clock.ts';
import { DeadlineWheel, type Due } from './core/deadline-wheel.ts';

export interface Alarmed extends Due {
  due(): void;
}

/** Calls `due` of each item once its time has come. One sleep of the clock stands for all; nothing sleeps while nothing waits. */
export class Alarm {
  readonly #clock: Clock;
  readonly #wheel = new DeadlineWheel<Alarmed>();
  #closed = false;
  #sleep: { untilMs: number; controller: AbortController } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(item: Alarmed): void {
    this.#wheel.add(item);
    if (this.#closed) return;
    if (this.#sleep === undefined || this.#wheel.nextAtMs < this.#sleep.untilMs) this.#sleepUntilNext();
  }

  remove(item: Alarmed): void {
    this.#wheel.remove(item);
  }

  /** Nothing comes due any more. */
  close(): void {
    this.#closed = true;
    this.#sleep?.controller.abort();
    this.#sleep = undefined;
  }

  #sleepUntilNext(): void {
    this.#sleep?.controller.abort();
    const sleep = { untilMs: this.#wheel.nextAtMs, controller: new AbortController() };
    this.#sleep = sleep;
    const ms = Math.max(0, Math.ceil(sleep.untilMs - this.#clock.monotonicMs()));
    // Calls under way keep the process alive through their socket; an alarm alone is no reason to.
    this.#clock.sleep(Math.min(ms, SLEEP_MS_MAX), sleep.controller.signal, { ref: false }).then(
      () => {
        if (this.#sleep !== sleep) return;
        this.#sleep = undefined;
        for (const item of this.#wheel.takeDue(this.#clock.monotonicMs())) item.due();
        if (this.#wheel.size > 0 && this.#sleep === undefined && !this.#closed) this.#sleepUntilNext();
      },
      () => {}, // aborted: an earlier alarm took its place, or all is closed
    );
  }
}

/** Timers overflow past 2^31 ms and then fire at once. */
const SLEEP_MS_MAX = 2 ** 31 - 1;
