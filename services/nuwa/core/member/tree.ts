import { assertInvariant } from '../../../base/assert.ts';
import type { NuwaEvent } from '../../contract.ts';
import type { Entry } from '../raft/types.ts';
import { applyBatch } from '../tree/apply.ts';
import type { Applied, Command } from '../tree/command.ts';
import { EventRing, type RingBounds } from '../tree/event-ring.ts';
import type { TreeState } from '../tree/state.ts';

/**
 * The tree of a member with its ring of events: the state machine that the log drives.
 *
 * Invariant: `events.revision === state.revision`, so whoever looked at the tree resumes from the ring without a gap.
 */
export class MemberTree {
  readonly #bounds: RingBounds;
  #state: TreeState;
  #events: EventRing;

  /** `events`: the newest before that state. */
  constructor(bounds: RingBounds, state: TreeState, events: readonly NuwaEvent[]) {
    this.#bounds = bounds;
    this.#state = state;
    this.#events = ringOf(bounds, state, events);
  }

  get state(): TreeState {
    return this.#state;
  }

  get events(): EventRing {
    return this.#events;
  }

  apply({ index, timeMs }: Entry, commands: readonly Command[], told: NuwaEvent[]): Applied[] {
    const applied = applyBatch(this.#state, commands, { index, nowMs: timeMs });
    for (const { events } of applied) {
      for (const event of events) {
        this.#events.push(event);
        told.push(event);
      }
    }
    return applied;
  }

  /** Goes on from a state that is further on. @returns what changed up to it, or undefined where not all of that is known. */
  replace(state: TreeState, events: readonly NuwaEvent[]): NuwaEvent[] | undefined {
    const before = this.#events.revision;
    assertInvariant(state.revision >= before, `a snapshot of revision ${state.revision} is not behind ${before}`);
    this.#state = state;
    const known = state.revision - events.length <= before;
    if (!known) {
      this.#events = ringOf(this.#bounds, state, events);
      return undefined;
    }
    const missing = events.slice(events.length - (state.revision - before));
    for (const event of missing) this.#events.push(event);
    return missing;
  }
}

function ringOf(bounds: RingBounds, state: TreeState, events: readonly NuwaEvent[]): EventRing {
  const ring = new EventRing(bounds, state.revision - events.length);
  for (const event of events) ring.push(event);
  return ring;
}
