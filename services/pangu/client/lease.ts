import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import type { NuwaClient, Presence } from '../../nuwa/contract.ts';
import { WRITERS_PATH } from '../write-contract.ts';

/** A client that cannot reach Nuwa, or may not write there, writes without a lease rather than not at all, and tries again after a while. */
const PRESENT_TIMEOUT_MS = 5_000;
const RETRY_MS = 30_000;

/**
 * That this client writes, for masters to see: a node in Nuwa that goes with its session. It is made when the first file is opened for writing, and one serves
 * all files, so that a small file costs no call more than it did.
 */
export class WriterPresence {
  readonly #nuwa: NuwaClient | undefined;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #id = newId('writer');
  #presence: Promise<Presence | undefined> | undefined;
  #present: Presence | undefined;
  #failedAtMs = Number.NEGATIVE_INFINITY;

  constructor(nuwa: NuwaClient | undefined, clock: Clock, log: Logger) {
    this.#nuwa = nuwa;
    this.#clock = clock;
    this.#log = log;
  }

  /** The id to write under; undefined: without a lease. */
  async writer(): Promise<string | undefined> {
    if (!this.#nuwa || this.#clock.monotonicMs() - this.#failedAtMs < RETRY_MS) return undefined;
    this.#presence ??= this.#stand(this.#nuwa);
    return (await this.#presence) && this.#id;
  }

  /** Another number, or none, than a moment ago: masters may have taken this client for gone in between. */
  get token(): number | undefined {
    return this.#present?.token;
  }

  /** Whoever writes on is recovered from. */
  async leave(): Promise<void> {
    await this.#present?.unregister().catch(() => {});
  }

  async #stand(nuwa: NuwaClient): Promise<Presence | undefined> {
    let timer: NodeJS.Timeout | undefined;
    try {
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error('Nuwa does not answer')), PRESENT_TIMEOUT_MS);
      });
      const standing = nuwa.present(`${WRITERS_PATH}/${this.#id}`, new Uint8Array());
      this.#present = await Promise.race([standing, late]);
      return this.#present;
    } catch (error) {
      this.#log.warn({ error: messageOf(error) }, 'write.no-lease');
      this.#presence = undefined;
      this.#failedAtMs = this.#clock.monotonicMs();
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}
