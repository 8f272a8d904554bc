import { DayuError } from '../contract.ts';

/**
 * What a node is told to do with one application, one order at a time. A newer order ends the wait of the older ones at once; what the last of those was
 * doing is given the time to come to a stop.
 */
export class Orders {
  readonly #application: string;
  #last: { abort(reason: unknown): void; ended: Promise<unknown> } | undefined;

  constructor(application: string) {
    this.#application = application;
  }

  /** Errors: those of `work`, Superseded, the signal's reason. */
  async run<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const own = new AbortController();
    const either = AbortSignal.any([signal, own.signal]);
    const before = this.#last;
    before?.abort(new DayuError('Superseded', `a newer order for ${this.#application} came`));
    const running = (before?.ended ?? Promise.resolve()).then(() => {
      either.throwIfAborted();
      return work(either);
    });
    this.#last = { abort: (reason) => own.abort(reason), ended: running.catch(() => {}) };
    return await running;
  }

  /** Ends the order that is under way, if any. */
  async abort(reason: unknown): Promise<void> {
    this.#last?.abort(reason);
    await this.#last?.ended;
  }
}
