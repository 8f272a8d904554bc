import { hasCode } from '../../base/errors.ts';
import type { RequestId } from '../core/tree/command.ts';
import type { SessionKeeper } from './session-keeper.ts';

export type OpenSession = (signal?: AbortSignal) => Promise<SessionKeeper>;

/**
 * The session that callers depend on, and its successors. `main` is never exchanged for another: when it expires, whoever holds something
 * by it must hear of that. What no session owns goes on under a new one.
 */
export class Sessions {
  readonly main: SessionKeeper;
  readonly #open: OpenSession;
  readonly #closing: AbortSignal;
  /** `main`, or its successor once it expired. */
  #current: Promise<SessionKeeper>;

  constructor(main: SessionKeeper, open: OpenSession, closing: AbortSignal) {
    this.main = main;
    this.#open = open;
    this.#closing = closing;
    this.#current = Promise.resolve(main);
  }

  async live(): Promise<SessionKeeper> {
    const current = this.#current;
    const session = await current;
    if (session.state !== 'expired' || this.#closing.aborted) return session;
    // Whoever comes first opens the next one; when that fails, the next caller tries again.
    if (this.#current === current) {
      const next = this.#open(this.#closing);
      this.#current = next;
      next.catch(() => {
        if (this.#current === next) this.#current = current;
      });
    }
    return this.#current;
  }

  /** A change that may as well be made by the next session when this one turns out to have expired. */
  async write<T>(call: (id: RequestId) => Promise<T>): Promise<T> {
    for (;;) {
      const session = await this.live();
      try {
        return await session.write(call);
      } catch (error) {
        if (!hasCode(error, 'NoSession') || this.#closing.aborted) throw error;
      }
    }
  }

  async close(timeoutMs: number): Promise<void> {
    const current = await this.#current.catch(() => this.main);
    await Promise.all([...new Set([this.main, current])].map((session) => session.close(timeoutMs)));
  }
}
