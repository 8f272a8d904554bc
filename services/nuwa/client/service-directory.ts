import { hasCode, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { type NuwaClient, serviceInfoSchema } from '../contract.ts';

/** How long a call waits for somebody to register; about what a process needs to restart. */
const AWAIT_MS = 3_000;
/** Callers that suspect the same broken instance cause one list, not hundreds. */
const RELIST_MS_MIN = 1_000;

/**
 * The instances of one service: listed once, then followed by a watch. When following fails, what was known stays, and the
 * next question begins anew; so nothing runs in the background of a client that is closed.
 */
export class ServiceDirectory {
  readonly #nuwa: NuwaClient;
  readonly #path: string;
  readonly #log: Logger;
  readonly #byInstance = new Map<string, string[]>();
  #all: string[] = [];
  #following = false;
  #listing = new AbortController();
  #listedAtMs = 0;
  #waiting = new Set<(error?: unknown) => void>();

  constructor(nuwa: NuwaClient, path: string, log: Logger) {
    this.#nuwa = nuwa;
    this.#path = path;
    this.#log = log;
  }

  /** What is known now; never waits. */
  addresses(instance: string | undefined): string[] {
    if (!this.#following) void this.#follow();
    return instance === undefined ? this.#all : (this.#byInstance.get(instance) ?? []);
  }

  /** Waits for an address to appear, for a moment. Errors: why the service cannot be listed. */
  async awaitAddresses(instance: string | undefined, signal?: AbortSignal): Promise<string[]> {
    const deadlineMs = performance.now() + AWAIT_MS;
    for (;;) {
      const addresses = this.addresses(instance);
      const leftMs = deadlineMs - performance.now();
      if (addresses.length > 0 || leftMs <= 0 || signal?.aborted) return addresses;
      await this.#nextChange(leftMs, signal);
    }
  }

  /** An instance did not answer: what is known may be old. */
  relist(): void {
    if (performance.now() - this.#listedAtMs >= RELIST_MS_MIN) this.#listing.abort();
  }

  async #follow(): Promise<void> {
    this.#following = true;
    try {
      do {
        this.#listing = new AbortController();
        this.#listedAtMs = performance.now();
        await this.#listThenWatch(this.#listing.signal);
      } while (this.#listing.signal.aborted);
      this.#following = false; // the client was closed
    } catch (error) {
      this.#following = false;
      this.#log.warn({ path: this.#path, reason: messageOf(error) }, 'nuwa.resolver.failed');
      for (const wake of [...this.#waiting]) wake(error);
    }
  }

  /** Returns when the watch ends: a new list is wanted, or the client was closed. */
  async #listThenWatch(signal: AbortSignal): Promise<void> {
    const revision = await this.#list();
    try {
      for await (const event of this.#nuwa.watch(this.#path, { recursive: true, afterRevision: revision, signal })) {
        const name = event.path.slice(this.#path.length + 1);
        if (name === '' || name.includes('/')) continue;
        if (event.kind === 'deleted') this.#byInstance.delete(name);
        else this.#note(name, event.value!);
        this.#changed();
      }
    } catch (error) {
      if (!hasCode(error, 'Compacted')) throw error;
      this.#listing.abort();
    }
  }

  async #list(): Promise<number> {
    const found = await this.#nuwa.list(this.#path).catch((error: unknown) => {
      if (hasCode(error, 'NoNode')) return { children: [], revision: Number(error.details.revision) };
      throw error;
    });
    this.#byInstance.clear();
    for (const { path, value } of found.children) this.#note(path.slice(this.#path.length + 1), value);
    this.#changed();
    return found.revision;
  }

  #note(instance: string, value: Uint8Array): void {
    try {
      this.#byInstance.set(instance, [serviceInfoSchema.parse(JSON.parse(new TextDecoder().decode(value))).address]);
    } catch (error) {
      this.#byInstance.delete(instance);
      this.#log.warn({ path: `${this.#path}/${instance}`, reason: messageOf(error) }, 'nuwa.resolver.not-a-service');
    }
  }

  #changed(): void {
    this.#all = [...this.#byInstance.values()].flat();
    for (const wake of [...this.#waiting]) wake();
  }

  #nextChange(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = (error?: unknown): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        this.#waiting.delete(wake);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onAbort = (): void => wake();
      const timer = setTimeout(wake, waitMs);
      timer.unref();
      signal?.addEventListener('abort', onAbort);
      this.#waiting.add(wake);
    });
  }
}
