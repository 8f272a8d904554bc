import { hasCode } from '../../base/errors.ts';
import type { CompactedError, NuwaEvent } from '../contract.ts';
import { type Batch, bytesOf, Follower } from '../core/client/feed.ts';
import { pause } from './rpc.ts';

/** A server that is behind the others is asked again after this. */
const BEHIND_MS = 20;

/** What one loop needs of its client's watches. */
export interface WatchingPort {
  begin: Promise<number | undefined>;
  /** Began with this call, so it is where the feed is, or nearly. */
  fresh: boolean;
  signals: AbortSignal[];
  join(follower: Follower, watching: Watching): boolean;
  leave(follower: Follower): void;
  poll(place: number, until: AbortSignal): Promise<Batch | undefined>;
  feedRevision(): number | undefined;
  compacted(place: number, cause: unknown, until: AbortSignal): Promise<CompactedError | undefined>;
}

const DONE = { done: true, value: undefined } as const;

/** One loop of one watcher. */
export class Watching implements AsyncIterator<NuwaEvent, undefined> {
  readonly #port: WatchingPort;
  readonly #ending = new AbortController();
  #follower: Follower | undefined;
  #waiting: (() => void) | undefined;
  /** The answer under way. */
  #busy: Promise<IteratorResult<NuwaEvent, undefined>> | undefined;

  constructor(port: WatchingPort) {
    this.#port = port;
    for (const signal of port.signals) {
      signal.addEventListener('abort', this.#end);
      if (signal.aborted) this.#end();
    }
  }

  next(): Promise<IteratorResult<NuwaEvent, undefined>> {
    // Whoever asks again without waiting is answered after.
    if (this.#busy) return this.#answer(this.#busy);
    if (this.#ending.signal.aborted) return Promise.resolve(DONE);
    const event = this.#follower?.take();
    return event ? Promise.resolve({ done: false, value: event }) : this.#answer();
  }

  async return(): Promise<IteratorResult<NuwaEvent, undefined>> {
    this.#end();
    return DONE;
  }

  /** There is something to take, or to ask for. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.();
  }

  readonly #end = (): void => {
    for (const signal of this.#port.signals) signal.removeEventListener('abort', this.#end);
    if (this.#follower) this.#port.leave(this.#follower);
    this.#ending.abort();
    this.wake();
  };

  #answer(before?: Promise<unknown>): Promise<IteratorResult<NuwaEvent, undefined>> {
    const turn = before ? before.then(ignore, ignore).then(() => this.#next()) : this.#next();
    const answer = turn.finally(() => {
      if (this.#busy === answer) this.#busy = undefined;
    });
    return (this.#busy = answer);
  }

  async #next(): Promise<IteratorResult<NuwaEvent, undefined>> {
    try {
      const follower = (this.#follower ??= await this.#start());
      while (follower && !this.#ending.signal.aborted) {
        const event = follower.take();
        if (event) return { done: false, value: event };
        if (follower.joined) await new Promise<void>((resolve) => (this.#waiting = resolve));
        else await this.#catchUp(follower);
      }
      return DONE;
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  async #start(): Promise<Follower | undefined> {
    const { begin, fresh, join } = this.#port;
    const revision = await begin;
    if (revision === undefined || this.#ending.signal.aborted) return undefined;
    const follower = new Follower(revision);
    if (fresh) join(follower, this);
    return follower;
  }

  /** Asks for what the feed does not bring, then joins it if it is reached. */
  async #catchUp(follower: Follower): Promise<void> {
    const { poll, join, feedRevision, compacted } = this.#port;
    const { signal } = this.#ending;
    let batch: Batch | undefined;
    try {
      batch = await poll(follower.place, signal);
    } catch (error) {
      if (!hasCode(error, 'Compacted')) throw error;
      const failure = await compacted(follower.place, error, signal);
      if (failure) throw failure;
    }
    if (!batch || signal.aborted) return;
    follower.offer(batch, bytesOf(batch.events));
    if (join(follower, this)) return;
    if (batch.events.length === 0 && (feedRevision() ?? 0) > follower.place) await pause(BEHIND_MS, signal);
  }
}

function ignore(): void {}
