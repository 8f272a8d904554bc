import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { KuafuError } from '../../kuafu/contract.ts';
import type { Followed, NuwaClient } from '../contract.ts';
import { childrenOnly } from './keep-following.ts';
import { decodeServiceAddress } from './service-info.ts';

/** How long a call waits for somebody to register; about what a process needs to restart. */
const AWAIT_MS = 3_000;
/** Callers that suspect the same broken instance cause one list, not hundreds. */
const RELIST_MS_MIN = 1_000;

/** The instances of one service, followed from the first question on until the client is closed. While Nuwa is away, what was known stays. */
export class ServiceDirectory {
  readonly #nuwa: NuwaClient;
  readonly #path: string;
  readonly #log: Logger;
  readonly #byInstance = new Map<string, string[]>();
  /** Who cannot be called, and why not, as it was logged: a list is read again and again. */
  readonly #skipped = new Map<string, string>();
  #all: string[] = [];
  /** Made when first asked for. */
  #byAddress: Map<string, string> | undefined;
  #following = false;
  /** Whether Nuwa ever told what is there. */
  #listed = false;
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
      if (addresses.length > 0 || signal?.aborted) return addresses;
      if (leftMs <= 0) {
        if (this.#listed) return addresses;
        throw new KuafuError('Unavailable', `${this.#path} cannot be listed: Nuwa does not answer`);
      }
      await this.#nextChange(leftMs, signal);
    }
  }

  /** The instance that answers there. */
  nameOf(address: string): string | undefined {
    this.#byAddress ??= new Map([...this.#byInstance].flatMap(([name, addresses]) => addresses.map((each) => [each, name] as const)));
    return this.#byAddress.get(address);
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
        const followed = this.#nuwa.follow(this.#path, { signal: this.#listing.signal });
        for await (const news of childrenOnly(followed, this.#path)) this.#take(news);
      } while (this.#listing.signal.aborted);
      this.#following = false; // the client was closed
    } catch (error) {
      this.#following = false;
      this.#log.warn({ path: this.#path, reason: messageOf(error) }, 'nuwa.resolver.failed');
      for (const wake of [...this.#waiting]) wake(error);
    }
  }

  #take(news: Followed): void {
    const nameOf = (path: string): string => path.slice(this.#path.length + 1);
    if (news.kind === 'snapshot') {
      this.#listed = true;
      this.#byInstance.clear();
      for (const { path, value } of news.nodes) this.#note(nameOf(path), value);
    } else {
      const { kind, path, value } = news.event;
      if (kind === 'deleted') {
        this.#byInstance.delete(nameOf(path));
        this.#skipped.delete(nameOf(path));
      } else this.#note(nameOf(path), value!);
    }
    this.#changed();
  }

  #note(instance: string, value: Uint8Array): void {
    try {
      this.#byInstance.set(instance, [decodeServiceAddress(value)]);
      this.#skipped.delete(instance);
    } catch (error) {
      this.#byInstance.delete(instance);
      const reason = messageOf(error);
      if (this.#skipped.get(instance) === reason) return;
      this.#skipped.set(instance, reason);
      this.#log.warn({ path: `${this.#path}/${instance}`, reason }, 'nuwa.resolver.not-a-service');
    }
  }

  #changed(): void {
    this.#all = [...this.#byInstance.values()].flat();
    this.#byAddress = undefined;
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
