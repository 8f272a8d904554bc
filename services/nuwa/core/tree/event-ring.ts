import { assertInvariant } from '../../../base/assert.ts';
import type { Acl, NuwaEvent } from '../../contract.ts';
import { isUnder } from './path.ts';

/**
 * The latest changes, for watchers that come back after a while. One event per revision and no gap between them, so the event
 * of a revision is found by subtraction. What is older than the bounds allow is forgotten; a watcher that asks for it is told
 * so and lists again.
 *
 * Invariant: it holds exactly the revisions from `oldestRevision` to `revision`, or none when `oldestRevision > revision`.
 */
export interface RingBounds {
  eventsMax: number;
  /** Of values. Most are held by the tree anyway; this bounds those that were overwritten since. */
  bytesMax: number;
}

/** A change with the node's ACL as it was then, if it was not open: who may not read the node is not told of it at the ZooKeeper door. */
export interface TreeEvent extends NuwaEvent {
  readonly acl?: Acl;
}

export interface EventBatch {
  events: NuwaEvent[];
  /** All changes up to here have been looked at: resume from it. */
  revision: number;
}

export class EventRing {
  readonly #bounds: RingBounds;
  #events: NuwaEvent[] = [];
  /** Events before this place in the array are forgotten. */
  #start = 0;
  #bytes = 0;
  #revision: number;

  /** `revision`: the tree's revision when the ring begins. */
  constructor(bounds: RingBounds, revision = 0) {
    this.#bounds = bounds;
    this.#revision = revision;
  }

  get revision(): number {
    return this.#revision;
  }

  get oldestRevision(): number {
    return this.#revision - (this.#events.length - this.#start) + 1;
  }

  push(event: NuwaEvent): void {
    assertInvariant(event.revision === this.#revision + 1, `the event of revision ${event.revision} after ${this.#revision}`);
    this.#revision = event.revision;
    this.#events.push(event);
    this.#bytes += event.value?.length ?? 0;
    while (this.#events.length - this.#start > this.#bounds.eventsMax || this.#bytes > this.#bounds.bytesMax) this.#forgetOldest();
  }

  /** Whether every change after this revision is still here. */
  reaches(afterRevision: number): boolean {
    return afterRevision + 1 >= this.oldestRevision;
  }

  /** Changes under `path` after a revision that the ring reaches: as many as fit in `bytesMax`, one at least. */
  after(afterRevision: number, path: string, recursive: boolean, bytesMax: number): EventBatch {
    assertInvariant(this.reaches(afterRevision), `revision ${afterRevision} is kept`);
    const events: NuwaEvent[] = [];
    let bytes = 0;
    for (let i = this.#start + Math.max(0, afterRevision + 1 - this.oldestRevision); i < this.#events.length; i++) {
      const event = this.#events[i]!;
      if (!isUnder(event.path, path, recursive)) continue;
      bytes += eventBytes(event);
      if (bytes > bytesMax && events.length > 0) return { events, revision: events.at(-1)!.revision };
      events.push(withoutAcl(event));
    }
    return { events, revision: Math.max(afterRevision, this.#revision) };
  }

  /** The newest events whose values fit in `bytesMax`, oldest first, without a gap. */
  newest(bytesMax: number): NuwaEvent[] {
    let bytes = 0;
    let i = this.#events.length;
    while (i > this.#start && (bytes += eventBytes(this.#events[i - 1]!)) <= bytesMax) i--;
    return this.#events.slice(i);
  }

  #forgetOldest(): void {
    this.#bytes -= this.#events[this.#start]!.value?.length ?? 0;
    this.#events[this.#start] = FORGOTTEN;
    this.#start++;
    // Moving the rest down now and then keeps each push at constant cost on average.
    if (this.#start > 1_024 && this.#start * 2 > this.#events.length) {
      this.#events = this.#events.slice(this.#start);
      this.#start = 0;
    }
  }
}

const FORGOTTEN: NuwaEvent = { kind: 'deleted', path: '/', revision: 0 };
/** As Nuwa's own clients are told of it. */
function withoutAcl(event: TreeEvent): NuwaEvent {
  if (event.acl === undefined) return event;
  const { acl: _, ...plain } = event;
  return plain;
}

/** Roughly what an event takes beside its path and value. */
const FIELDS_BYTES = 60;

function eventBytes(event: NuwaEvent): number {
  return FIELDS_BYTES + event.path.length * 3 + (event.value?.length ?? 0);
}
