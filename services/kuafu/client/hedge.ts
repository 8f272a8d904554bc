import type { Alarm, Alarmed } from '../alarm.ts';
import { KuafuError } from '../contract.ts';
import type { HedgeBudget } from '../core/hedge-budget.ts';
import { totals } from '../meter.ts';

/** What one of the two tries is told and tells. */
export interface Placement {
  /** An address that it does not go to. */
  readonly avoid?: string;
  /** Called before the try is sent to this address; throws where it should not be. */
  placed(address: string): void;
}

export interface HedgedCall {
  afterMs: number;
  nowMs: () => number;
  alarm: Alarm;
  budget: HedgeBudget;
  signal: AbortSignal | undefined;
  call(signal: AbortSignal, placement: Placement): Promise<unknown>;
}

/**
 * A call that is asked of a second instance too when the first is late. The first answer counts, be it a reply or an error that a handler gave, and the
 * other try is cancelled. That an instance could not be reached is no answer: then the other's is waited for.
 */
export function hedged(options: HedgedCall): Promise<unknown> {
  return new Promise((resolve, reject) => new Hedge(options, resolve, reject).start());
}

class Hedge implements Alarmed {
  readonly atMs: number;
  readonly #options: HedgedCall;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: unknown) => void;
  readonly #tries: AbortController[] = [];
  #firstAt: string | undefined;
  #running = 0;
  #settled = false;
  /** What to tell if nobody answers: of the first try. */
  #failure: unknown;

  constructor(options: HedgedCall, resolve: (value: unknown) => void, reject: (error: unknown) => void) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.atMs = options.nowMs() + options.afterMs;
  }

  start(): void {
    const { alarm, budget, signal } = this.#options;
    budget.earn();
    alarm.add(this);
    signal?.addEventListener('abort', this);
    this.#begin({
      placed: (address) => {
        this.#firstAt = address;
      },
    });
    if (signal?.aborted) this.handleEvent();
  }

  /** The first try is late. */
  due(): void {
    const avoid = this.#firstAt;
    if (this.#settled || avoid === undefined) return;
    if (!this.#options.budget.take()) {
      totals.hedgesWithheld++;
      return;
    }
    this.#begin({
      avoid,
      placed: (address) => {
        // Not `Unavailable`, which would be tried again.
        if (address === avoid) throw new KuafuError('Cancelled', 'there is no second instance to ask');
      },
    });
  }

  /** The caller's signal aborted. */
  handleEvent(): void {
    for (const each of this.#tries) each.abort(this.#options.signal?.reason);
  }

  #begin(placement: Placement): void {
    const second = this.#tries.length > 0;
    const controller = new AbortController();
    this.#tries.push(controller);
    this.#running++;
    this.#options.call(controller.signal, placement).then(
      (value) => {
        this.#running--;
        if (this.#settle(second, controller)) this.#resolve(value);
      },
      (error) => {
        this.#running--;
        if (!second) this.#failure = error;
        if (this.#running > 0 && isNoAnswer(error)) return;
        const told = isNoAnswer(error) ? (this.#failure ?? error) : error;
        if (this.#settle(second && told === error, controller)) this.#reject(told);
      },
    );
  }

  /** False: the call has been settled already. */
  #settle(bySecond: boolean, winner: AbortController): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#options.alarm.remove(this);
    this.#options.signal?.removeEventListener('abort', this);
    if (this.#tries.length > 1) {
      if (bySecond) totals.hedgesWon++;
      else totals.hedgesLost++;
    }
    for (const each of this.#tries) if (each !== winner) each.abort(new Error('the other instance has answered'));
    return true;
  }
}

/** The instance was not heard: another may still answer. */
function isNoAnswer(error: unknown): boolean {
  return error instanceof KuafuError && ['Unavailable', 'Overloaded', 'DeadlineExceeded', 'Cancelled'].includes(error.code);
}
