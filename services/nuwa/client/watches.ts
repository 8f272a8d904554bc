import { setMaxListeners } from 'node:events';
import { backoffMs } from '../../base/backoff.ts';
import { hasCode } from '../../base/errors.ts';
import { systemRandom } from '../../base/random.ts';
import { CompactedError, type NodesSnapshot, type NuwaEvent, POLL_WAIT_MS_MAX } from '../contract.ts';
import { type Batch, Feed, type Follower } from '../core/client/feed.ts';
import { isOutage, type NuwaRpc, pause, TRY_TIMEOUT_MS } from './rpc.ts';
import { type Depth, takeSnapshot } from './snapshot.ts';
import { Watching } from './watching.ts';

/**
 * The watches of one client: polls against any server, handed on by feeds (core/client/feed.ts). The place of each watcher is kept here and
 * the changes are kept there, so nothing is missed or seen twice, whichever server answers and however often a connection breaks.
 */
export interface WatchOptions {
  recursive?: boolean;
  /** The changes after this one. @default from the call on */
  afterRevision?: number;
  signal?: AbortSignal;
  /** What a CompactedError brings. @default the node, or everything below it when recursive */
  depth?: Depth;
}

/** Beyond the wait: time for the reply to come, and for a server to restart. */
const MARGIN_MS = 10_000;
/** From the first call that failed at a server until the watches that wait there ask again: by then another server is known to answer. */
const MOVE_MS = 250;
const OUTAGE_BACKOFF = { maxMs: 1_000 };

interface SharedFeed {
  readonly feed: Feed;
  /** Ends its loop. */
  readonly stopping: AbortController;
}

export class Watches {
  readonly #rpc: NuwaRpc;
  readonly closing: AbortSignal;
  readonly #seenRevision: () => number;
  readonly #feeds = new Map<string, SharedFeed>();
  readonly #watching = new Map<Follower, Watching>();
  /** Ends each poll that waits, for another one. */
  readonly #waits = new Set<AbortController>();
  #moving = false;
  /** Under way: many watchers that fell behind together share one. */
  readonly #snapshots = new Map<string, Promise<NodesSnapshot>>();

  /** `seenRevision`: the latest that this client was told of; "from now on" is not before it, also at a server that is behind. */
  constructor(rpc: NuwaRpc, closing: AbortSignal, seenRevision: () => number = () => 0) {
    this.#rpc = rpc;
    this.closing = closing;
    this.#seenRevision = seenRevision;
    setMaxListeners(0, closing);
  }

  get closed(): boolean {
    return this.closing.aborted;
  }

  watch(path: string, options: WatchOptions = {}): AsyncIterable<NuwaEvent> {
    const { recursive = false, afterRevision, signal, depth = recursive ? 'all' : 'node' } = options;
    const seen = this.#seenRevision();
    // "From now on" means from this call on, whenever the caller begins to iterate.
    const begin =
      afterRevision !== undefined
        ? Promise.resolve(afterRevision)
        : this.#begin(path, recursive, signal).then((revision) => (revision === undefined ? undefined : Math.max(seen, revision)));
    begin.catch(() => {}); // told to whoever iterates
    return {
      [Symbol.asyncIterator]: () =>
        new Watching({
          begin,
          fresh: afterRevision === undefined,
          signals: signal ? [signal, this.closing] : [this.closing],
          join: (follower, watching) => this.#join(path, recursive, follower, watching),
          leave: (follower) => this.#leave(path, recursive, follower),
          poll: (place, until) => this.#poll(path, recursive, place, 0, until),
          feedRevision: () => this.#feeds.get(keyOf(path, recursive))?.feed.revision,
          compacted: (place, cause, until) => this.#compacted(path, depth, place, cause, until),
        }),
    };
  }

  /** The server that was asked may be gone, stand still, or be cut off from its group: what waits there may wait for nothing. */
  move(): void {
    if (this.#moving || this.#waits.size === 0) return;
    this.#moving = true;
    setTimeout(() => {
      this.#moving = false;
      for (const wait of this.#waits) wait.abort();
    }, MOVE_MS).unref();
  }

  /** Shared with whoever asks for the same meanwhile. */
  snapshot(path: string, depth: Depth): Promise<NodesSnapshot> {
    const key = `${depth} ${path}`;
    const known = this.#snapshots.get(key);
    if (known) return known;
    const taken = takeSnapshot(this.#rpc, path, depth, this.closing).finally(() => this.#snapshots.delete(key));
    this.#snapshots.set(key, taken);
    return taken;
  }

  async #begin(path: string, recursive: boolean, signal: AbortSignal | undefined): Promise<number | undefined> {
    return (await this.#poll(path, recursive, undefined, 0, signal ?? this.closing))?.revision;
  }

  /** Asks until a server answers, or until `until` aborts or the client is closed (then undefined). Errors: Compacted, BadPath. */
  async #poll(
    path: string,
    recursive: boolean,
    afterRevision: number | undefined,
    waitMs: number,
    until: AbortSignal,
  ): Promise<Batch | undefined> {
    for (let tries = 1; !until.aborted && !this.closing.aborted; tries++) {
      try {
        const timeoutMs = waitMs + MARGIN_MS;
        return await this.#rpc.poll(
          { path, recursive, afterRevision, waitMs },
          { timeoutMs, tryTimeoutMs: waitMs + TRY_TIMEOUT_MS, signal: until },
        );
      } catch (error) {
        if (until.aborted) return undefined;
        if (!isOutage(error)) throw error;
        await pause(backoffMs(tries, systemRandom, OUTAGE_BACKOFF), until);
      }
    }
    return undefined;
  }

  #join(path: string, recursive: boolean, follower: Follower, watching: Watching): boolean {
    const key = keyOf(path, recursive);
    const known = this.#feeds.get(key);
    const shared = known ?? { feed: new Feed(), stopping: new AbortController() };
    if (!shared.feed.join(follower)) return false;
    this.#watching.set(follower, watching);
    if (!known) {
      this.#feeds.set(key, shared);
      void this.#run(path, recursive, key, shared);
    }
    return true;
  }

  #leave(path: string, recursive: boolean, follower: Follower): void {
    this.#watching.delete(follower);
    const key = keyOf(path, recursive);
    const shared = this.#feeds.get(key);
    if (!shared) return;
    shared.feed.leave(follower);
    this.#endIfUnused(key, shared);
  }

  async #run(path: string, recursive: boolean, key: string, shared: SharedFeed): Promise<void> {
    const { feed, stopping } = shared;
    const wake = (follower: Follower): void => this.#watching.get(follower)?.wake();
    const abort = (): void => stopping.abort();
    this.closing.addEventListener('abort', abort);
    if (this.closing.aborted) abort();
    try {
      while (!stopping.signal.aborted) {
        const batch = await this.#wait(path, recursive, feed.revision!, stopping.signal);
        if (batch) feed.spread(batch, wake);
        this.#endIfUnused(key, shared); // all may have been too slow
      }
    } catch {
      // Each follower asks by itself then, and hears what is wrong in its own place.
    } finally {
      this.closing.removeEventListener('abort', abort);
      if (this.#feeds.get(key) === shared) this.#feeds.delete(key);
      feed.end(wake);
    }
  }

  /** A poll that waits for changes. Undefined when it was ended early. */
  async #wait(path: string, recursive: boolean, place: number, until: AbortSignal): Promise<Batch | undefined> {
    const wait = new AbortController();
    const abort = (): void => wait.abort();
    until.addEventListener('abort', abort);
    this.#waits.add(wait);
    try {
      return await this.#poll(path, recursive, place, POLL_WAIT_MS_MAX, wait.signal);
    } finally {
      this.#waits.delete(wait);
      until.removeEventListener('abort', abort);
    }
  }

  #endIfUnused(key: string, shared: SharedFeed): void {
    if (shared.feed.size > 0) return;
    shared.stopping.abort();
    if (this.#feeds.get(key) === shared) this.#feeds.delete(key);
  }

  async #compacted(path: string, depth: Depth, place: number, cause: unknown, until: AbortSignal): Promise<CompactedError | undefined> {
    const details: Record<string, unknown> = hasCode(cause, 'Compacted') ? { ...cause.details } : {};
    const notOfThisGroup = details.revision !== undefined;
    for (let tries = 1; !until.aborted && !this.closing.aborted; tries++) {
      try {
        const snapshot = await this.snapshot(path, depth);
        // One that somebody else began long before is of no use. Of a place that the group never came to none is before it.
        if (snapshot.revision < place && !notOfThisGroup) continue;
        const reason = notOfThisGroup ? `revision ${place} is not of this group` : `changes after revision ${place} are no longer kept`;
        return new CompactedError(reason, snapshot, { cause, details });
      } catch (error) {
        if (until.aborted) return undefined;
        if (!isOutage(error)) throw error;
        await pause(backoffMs(tries, systemRandom, OUTAGE_BACKOFF), until);
      }
    }
    return undefined;
  }
}

function keyOf(path: string, recursive: boolean): string {
  return `${recursive ? 'below' : 'at'} ${path}`;
}
