import { REQUESTS_AHEAD_MAX } from '../contract.ts';
import type { RequestId } from '../core/tree/command.ts';

/**
 * Numbers a session's changes. The servers keep the reply of every number that may still be asked for again, so numbers do not
 * run further ahead of the lowest open one than the servers keep replies.
 */
export class RequestWindow {
  readonly #session: string;
  #next = 1;
  /** In the order of their numbers, since they are added in that order. */
  readonly #open = new Set<number>();
  #waiting: (() => void)[] = [];

  constructor(session: string) {
    this.#session = session;
  }

  /** Runs `call` under a number of its own; whatever comes of it, the number is never used for anything else. */
  async run<T>(call: (id: RequestId) => Promise<T>): Promise<T> {
    while (this.#next - this.#lowest() >= REQUESTS_AHEAD_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const request = this.#next++;
    this.#open.add(request);
    try {
      return await call({ session: this.#session, request, settled: this.#lowest() });
    } finally {
      this.#open.delete(request);
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const wake of waiting) wake();
    }
  }

  #lowest(): number {
    for (const request of this.#open) return request;
    return this.#next;
  }
}
