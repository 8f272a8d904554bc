import { setMaxListeners } from 'node:events';
import { backoffMs } from '../../base/backoff.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import { hasCode } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import { NuwaError, type NuwaSession } from '../contract.ts';
import type { RequestId } from '../core/tree/command.ts';
import { RequestWindow } from './request-window.ts';
import { isOutage, type NuwaRpc, pause, TRY_TIMEOUT_MS } from './rpc.ts';

/**
 * A session and the loop that keeps it alive.
 *
 *   live <--answer / no answer for TTL/3--> jeopardy --server says NoSession--> expired
 *
 * A server is asked every TTL/3 and there is TTL/3 to answer, within which others are asked too when the first is silent: when jeopardy is
 * told, a third of the TTL is left to stop what depends on the session. Only a server can say that a session expired, since its clock decides; a client that is cut off
 * stays in jeopardy, however long.
 */
export class SessionKeeper implements NuwaSession {
  readonly id = newId('session');
  readonly ttlMs: number;
  readonly requests = new RequestWindow(this.id);
  readonly #rpc: NuwaRpc;
  readonly #creator: string;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #stopping = new AbortController();
  readonly #ended = new AbortController();
  readonly #listeners = new Set<(state: NuwaSession['state']) => void>();
  #state: NuwaSession['state'] = 'live';
  /** When the last keep-alive that was answered had been sent: the server gave it a TTL from then on, or later. */
  #heardAtMs = 0;

  constructor(options: { rpc: NuwaRpc; ttlMs: number; creator: string; log: Logger; clock?: Clock }) {
    this.ttlMs = options.ttlMs;
    this.#rpc = options.rpc;
    this.#creator = options.creator;
    this.#log = options.log;
    this.#clock = options.clock ?? systemClock;
    setMaxListeners(0, this.#ended.signal);
  }

  /** Aborts, with a NuwaError `NoSession`, when the session expired or its client was closed. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  get state(): NuwaSession['state'] {
    // A process that stood still must not read `live` before its loop has run again.
    const silentMs = this.#clock.monotonicMs() - this.#heardAtMs;
    return this.#state === 'live' && silentMs > this.ttlMs ? 'jeopardy' : this.#state;
  }

  onState(listener: (state: NuwaSession['state']) => void): () => void {
    if (typeof listener !== 'function') throw new NuwaError('BadArguments', `a listener is a function, not ${typeof listener}`);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async open(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    await this.#rpc.openSession({ session: this.id, ttlMs: this.ttlMs, creator: this.#creator }, { timeoutMs, signal });
    this.#heardAtMs = this.#clock.monotonicMs();
    void this.#keepAlive();
  }

  /** A change in the name of this session. */
  async write<T>(call: (id: RequestId) => Promise<T>): Promise<T> {
    try {
      return await this.requests.run(call);
    } catch (error) {
      if (hasCode(error, 'NoSession')) this.#become('expired');
      throw error;
    }
  }

  /**
   * The same, sent under its one request number until it is answered or the session has ended: for what must not be left half known, such as
   * a node that others would wait for.
   */
  writeThrough<T>(call: (id: RequestId) => Promise<T>): Promise<T> {
    return this.write(async (id) => {
      for (let tries = 1; ; tries++) {
        this.ended.throwIfAborted();
        try {
          return await call(id);
        } catch (error) {
          if (!isOutage(error)) throw error;
        }
        await pause(backoffMs(tries, systemRandom, { maxMs: 1_000 }), this.ended);
      }
    });
  }

  /** Ends the loop and, with `timeoutMs`, the session. */
  async close(timeoutMs: number): Promise<void> {
    this.#stopping.abort();
    this.#ended.abort(new NuwaError('NoSession', `session ${this.id} was closed`));
    if (this.#state === 'expired') return;
    await this.#rpc.closeSession({ session: this.id }, { timeoutMs }).catch((error: unknown) => {
      this.#log.warn({ err: error, session: this.id }, 'nuwa.session.close-failed'); // it expires by itself
    });
  }

  async #keepAlive(): Promise<void> {
    const { signal } = this.#stopping;
    const thirdMs = Math.floor(this.ttlMs / 3);
    const tryTimeoutMs = Math.min(TRY_TIMEOUT_MS, Math.ceil(thirdMs / 3));
    let unansweredSinceMs: number | undefined;
    for (;;) {
      await pause(unansweredSinceMs === undefined ? thirdMs : thirdMs / 10, signal);
      if (signal.aborted || this.#state === 'expired') return;
      const askedAtMs = this.#clock.monotonicMs();
      try {
        await this.#rpc.keepAlive({ session: this.id }, { timeoutMs: thirdMs, tryTimeoutMs, signal });
        this.#heardAtMs = askedAtMs;
        unansweredSinceMs = undefined;
        this.#become('live');
      } catch (error) {
        if (signal.aborted) return;
        if (hasCode(error, 'NoSession')) return this.#become('expired');
        if (!isOutage(error)) this.#log.error({ err: error, session: this.id }, 'nuwa.session.keep-alive-failed');
        unansweredSinceMs ??= askedAtMs;
        if (this.#clock.monotonicMs() - unansweredSinceMs >= thirdMs) this.#become('jeopardy');
      }
    }
  }

  #become(state: NuwaSession['state']): void {
    if (this.#state === state || this.#state === 'expired') return;
    this.#log[state === 'live' ? 'info' : 'warn']({ session: this.id, from: this.#state, to: state }, 'nuwa.session.state');
    this.#state = state;
    if (state === 'expired') this.#ended.abort(new NuwaError('NoSession', `session ${this.id} expired`));
    for (const listener of [...this.#listeners]) {
      try {
        listener(state);
      } catch (error) {
        this.#log.error({ err: error }, 'nuwa.session.listener-failed');
      }
    }
  }
}
