/**
 * An instance's place in Nuwa: callers find it while it stands there. What is wanted may change while Nuwa is away; it is made true when Nuwa is back.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../../base/backoff.ts';
import type { Logger } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import type { NuwaClient, Registration, ServiceInfo } from '../../nuwa/contract.ts';

export interface EntryOptions {
  nuwa: Pick<NuwaClient, 'register'>;
  service: string;
  node: string;
  onChange(): void;
  /** Aborts when the agent is gone: no more tries. What stands in Nuwa then goes with its session. */
  closing: AbortSignal;
  log: Logger;
}

export class ServiceEntry {
  readonly #options: EntryOptions;
  #wanted: ServiceInfo | undefined;
  #held: { registration: Registration; info: ServiceInfo } | undefined;
  #working: Promise<void> | undefined;

  constructor(options: EntryOptions) {
    this.#options = options;
  }

  /** Whether callers find it, as it is wanted. */
  get isIn(): boolean {
    return this.#held !== undefined && this.#held.info === this.#wanted;
  }

  /** Resolves when it stands there, or is no longer wanted to. */
  enter(info: ServiceInfo): Promise<void> {
    this.#wanted = info;
    return this.#work();
  }

  /** Resolves when nobody finds it any more. */
  leave(): Promise<void> {
    this.#wanted = undefined;
    return this.#work();
  }

  #work(): Promise<void> {
    if (this.#held?.info === this.#wanted || this.#options.closing.aborted) return Promise.resolve();
    this.#working ??= this.#makeTrue();
    return this.#working;
  }

  async #makeTrue(): Promise<void> {
    const { nuwa, service, node, onChange, closing, log } = this.#options;
    for (let failures = 0; this.#held?.info !== this.#wanted && !closing.aborted; ) {
      try {
        if (this.#held) {
          await this.#held.registration.unregister();
          this.#held = undefined;
        }
        const info = this.#wanted;
        if (info) this.#held = { registration: await nuwa.register(service, node, info), info };
        failures = 0;
        onChange();
      } catch (error) {
        log.warn({ error, service }, 'instance.entry_failed');
        await delay(backoffMs(++failures, systemRandom), undefined, { signal: closing }).catch(() => {});
      }
    }
    // In the same breath as the last look, or a wish that comes in between would be nobody's.
    this.#working = undefined;
  }
}
