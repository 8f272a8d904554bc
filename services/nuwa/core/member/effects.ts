import type { DiskWrite } from '../raft/types.ts';
import type { MemberEffects } from './types.ts';

export function newEffects(): MemberEffects {
  return {
    messages: [],
    afterWrite: [],
    replies: [],
    readable: [],
    alive: [],
    lost: [],
    done: [],
    events: [],
    eventsMissed: false,
    leaderChanged: false,
  };
}

/** Two writes of one step as one: what the later one replaces is left out, which is what the disk would end with. */
export function joinWrites(earlier: DiskWrite | undefined, later: DiskWrite): DiskWrite {
  if (!earlier) return later;
  const from = later.entries[0]?.index ?? Number.POSITIVE_INFINITY;
  const kept = earlier.entries.filter(({ index }) => index < from);
  return { seq: later.seq, hardState: later.hardState ?? earlier.hardState, entries: [...kept, ...later.entries] };
}
