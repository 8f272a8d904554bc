/**
 * What a client knows of each instance it calls beyond its connection: how many replies it owes, and whether it is to be left alone for
 * a while, because it asked for that (`Overloaded`) or because it left a try unanswered: a process that stands still keeps its connections.
 *
 *   well --a try unanswered--> resting for 0.5 s, 1 s, … 8 s --any answer--> well
 *   well --Overloaded--> resting as long as it asked for --> well
 *
 * Invariant: an instance that owes nothing and is well is soon forgotten, so addresses that come and go leave nothing behind.
 */
interface Instance {
  pending: number;
  /** Tries left unanswered in a row. */
  unanswered: number;
  restUntilMs: number;
}

/** Soon enough that a moment's pause costs little; doubled, so that a dead machine costs one call now and then. */
const REST_MS = 500;
const REST_MS_MAX = 8_000;

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
    const restUntilMs = this.#byAddress.get(address)?.restUntilMs ?? 0;
    return restUntilMs === 0 || restUntilMs <= this.#nowMs();
  }

  begin(address: string): void {
    if (this.#byAddress.size >= 1_000) this.#forgetOld();
    const instance = this.#byAddress.get(address);
    if (instance) instance.pending++;
    else this.#byAddress.set(address, { pending: 1, unanswered: 0, restUntilMs: 0 });
  }

  /** A try is over. `failed`: it broke before an answer, so nothing is known of how the instance feels. */
  end(address: string, how: 'answered' | 'unanswered' | 'failed', restMs = 0): void {
    const instance = this.#byAddress.get(address);
    if (!instance) return;
    instance.pending--;
    if (how === 'unanswered' && this.well(address)) {
      // Of many calls that it leaves unanswered together the first counts.
      const lastMs = Math.min(REST_MS_MAX, REST_MS * 2 ** instance.unanswered++);
      instance.restUntilMs = this.#nowMs() + lastMs;
    } else if (how === 'answered') {
      instance.unanswered = 0;
      instance.restUntilMs = restMs > 0 ? this.#nowMs() + restMs : 0;
    }
    if (instance.pending === 0 && this.well(address)) this.#byAddress.delete(address);
  }

  #forgetOld(): void {
    for (const [address, { pending }] of this.#byAddress) if (pending === 0 && this.well(address)) this.#byAddress.delete(address);
  }
}
