import { type Breaker, begin, CLOSED, end, isBlank, lets, type Outcome } from '../core/breaker.ts';
import { totals } from '../meter.ts';

/**
 * What a client knows of each instance it calls beyond its connection: how many replies it owes, whether its tries have been failing (core/breaker.ts),
 * and whether it asked to be left alone for a while (`Overloaded`).
 *
 * Invariant: an instance that owes nothing and of which nothing bad is known is soon forgotten, so addresses that come and go leave nothing behind.
 */
interface Instance {
  pending: number;
  breaker: Breaker;
  restUntilMs: number;
}

export class Instances {
  readonly #byAddress = new Map<string, Instance>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  pending(address: string): number {
    return this.#byAddress.get(address)?.pending ?? 0;
  }

  well(address: string): boolean {
    const instance = this.#byAddress.get(address);
    if (!instance || (instance.breaker === CLOSED && instance.restUntilMs === 0)) return true;
    const nowMs = this.#nowMs();
    return instance.restUntilMs <= nowMs && lets(instance.breaker, nowMs);
  }

  begin(address: string): void {
    if (this.#byAddress.size >= 1_000) this.#forgetOld();
    let instance = this.#byAddress.get(address);
    if (!instance) {
      instance = { pending: 0, breaker: CLOSED, restUntilMs: 0 };
      this.#byAddress.set(address, instance);
    }
    instance.pending++;
    if (instance.breaker !== CLOSED) instance.breaker = begin(instance.breaker, this.#nowMs());
  }

  /** A try is over; `restMs`: it answered that it wants to be left alone so long. */
  end(address: string, outcome: Outcome, restMs = 0): void {
    const instance = this.#byAddress.get(address);
    if (!instance) return;
    instance.pending--;
    if (outcome === 'answered' && instance.breaker === CLOSED && restMs === 0) {
      instance.restUntilMs = 0;
      if (instance.pending === 0) this.#byAddress.delete(address);
      return;
    }
    const nowMs = this.#nowMs();
    const before = instance.breaker.kind;
    instance.breaker = end(instance.breaker, outcome, nowMs);
    if (instance.breaker.kind === 'open' && before !== 'open') totals.breakersOpened++;
    if (outcome === 'answered') instance.restUntilMs = restMs > 0 ? nowMs + restMs : 0;
    if (mayForget(instance, nowMs)) this.#byAddress.delete(address);
  }

  #forgetOld(): void {
    const nowMs = this.#nowMs();
    for (const [address, instance] of this.#byAddress) if (mayForget(instance, nowMs)) this.#byAddress.delete(address);
    // Many instances at once that failed and were never called again: their breakers would stay open for ever.
    for (const [address, { pending }] of this.#byAddress) {
      if (this.#byAddress.size < 1_000) return;
      if (pending === 0) this.#byAddress.delete(address);
    }
  }
}

function mayForget({ pending, breaker, restUntilMs }: Instance, nowMs: number): boolean {
  return pending === 0 && restUntilMs <= nowMs && isBlank(breaker, nowMs);
}
