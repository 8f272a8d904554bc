import type { NuwaEvent } from '../../contract.ts';

/**
 * One stream of changes, shared by all watchers of the same nodes in one client. A thousand watchers of a directory then cost their server
 * one question per batch of changes.
 *
 *   catching up --its place is the feed's or beyond--> joined --its queue is full, or the feed ended--> catching up
 *
 * A follower that begins at an old revision asks by itself until it has reached the feed, then joins. One that is slow to take its events
 * leaves the feed when its queue is full: it keeps what is queued, and asks by itself for the rest once that is taken. So nobody waits for
 * it, and what it holds is bounded.
 *
 * Invariants:
 *   1. a follower is given every change after its first place once, in the order of revisions;
 *   2. all changes up to `place` were given or are queued, and none after it;
 *   3. the place of a joined follower is the feed's or beyond;
 *   4. what is queued is within the bounds, or is one batch.
 */
export interface Batch {
  /** Changes of the nodes that are watched, in order. */
  readonly events: readonly NuwaEvent[];
  /** All changes up to here have been looked at. */
  readonly revision: number;
}

export interface QueueBounds {
  eventsMax: number;
  bytesMax: number;
}

/** A moment of a busy directory. What is queued is shared among followers, so a thousand slow ones hold little more than one. */
export const QUEUE_BOUNDS: QueueBounds = { eventsMax: 4_096, bytesMax: 4 * 1024 * 1024 };

interface Queued {
  readonly events: readonly NuwaEvent[];
  /** The next to be taken. */
  at: number;
  readonly bytes: number;
}

export class Follower {
  readonly #bounds: QueueBounds;
  readonly #queue: Queued[] = [];
  #queuedEvents = 0;
  #queuedBytes = 0;
  #place: number;
  #joined = false;

  constructor(place: number, bounds: QueueBounds = QUEUE_BOUNDS) {
    this.#place = place;
    this.#bounds = bounds;
  }

  get place(): number {
    return this.#place;
  }

  get joined(): boolean {
    return this.#joined;
  }

  get queued(): number {
    return this.#queuedEvents;
  }

  take(): NuwaEvent | undefined {
    const first = this.#queue[0];
    if (!first) return undefined;
    const event = first.events[first.at++]!;
    this.#queuedEvents--;
    if (first.at === first.events.length) {
      this.#queue.shift();
      this.#queuedBytes -= first.bytes;
    }
    return event;
  }

  /** @returns false when there is no room for it; nothing was taken then. */
  offer(batch: Batch, bytes: number): boolean {
    const { events, revision } = batch;
    if (revision <= this.#place) return true;
    const at = firstAfter(events, this.#place);
    const count = events.length - at;
    if (count > 0) {
      const { eventsMax, bytesMax } = this.#bounds;
      if (this.#queuedEvents > 0 && (this.#queuedEvents + count > eventsMax || this.#queuedBytes + bytes > bytesMax)) return false;
      this.#queue.push({ events, at, bytes });
      this.#queuedEvents += count;
      this.#queuedBytes += bytes;
    }
    this.#place = revision;
    return true;
  }

  /** For its feed. */
  setJoined(joined: boolean): void {
    this.#joined = joined;
  }
}

export class Feed {
  readonly #followers = new Set<Follower>();
  #revision: number | undefined;

  /** Where it is; undefined while nobody ever joined. */
  get revision(): number | undefined {
    return this.#revision;
  }

  get size(): number {
    return this.#followers.size;
  }

  /** @returns false when the follower has not reached the feed: it is to ask for what is between. */
  join(follower: Follower): boolean {
    if (this.#followers.size === 0) this.#revision = follower.place;
    if (this.#revision! > follower.place) return false;
    this.#followers.add(follower);
    follower.setJoined(true);
    return true;
  }

  leave(follower: Follower): void {
    this.#followers.delete(follower);
    follower.setJoined(false);
  }

  /** What came after `revision`, for everybody. `told` is called with each follower that has something to do now. */
  spread(batch: Batch, told: (follower: Follower) => void): void {
    this.#revision = Math.max(this.#revision!, batch.revision);
    const bytes = bytesOf(batch.events);
    for (const follower of this.#followers) {
      const hadNothing = follower.queued === 0;
      if (!follower.offer(batch, bytes)) this.leave(follower);
      else if (hadNothing && follower.queued > 0) told(follower);
    }
  }

  /** Nothing more comes: all are to ask by themselves. */
  end(told: (follower: Follower) => void): void {
    for (const follower of this.#followers) {
      this.leave(follower);
      told(follower);
    }
  }
}

function firstAfter(events: readonly NuwaEvent[], revision: number): number {
  // Nearly always all of them.
  if (events.length === 0 || events[0]!.revision > revision) return 0;
  const at = events.findIndex((event) => event.revision > revision);
  return at === -1 ? events.length : at;
}

/** Roughly what an event takes beside its path and value. */
const FIELDS_BYTES = 100;

export function bytesOf(events: readonly NuwaEvent[]): number {
  let bytes = 0;
  for (const { path, value } of events) bytes += FIELDS_BYTES + path.length * 2 + (value?.length ?? 0);
  return bytes;
}
