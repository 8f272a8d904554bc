import type { Random } from '../../../base/random.ts';
import type { NuwaEvent } from '../../contract.ts';
import type { RaftLimits, RaftStored, RaftTiming, ServerId } from '../raft/types.ts';
import type { RingBounds } from '../tree/event-ring.ts';
import type { TreeState } from '../tree/state.ts';

export interface MemberOptions {
  id: ServerId;
  /**
   * Which start of this server it is: larger than at all its starts before, such as the wall clock's milliseconds. Old entries and late answers
   * to an earlier start are so told from those to this one.
   */
  boot: number;
  stored: RaftStored;
  /** What the newest snapshot holds, and the newest events before it. */
  loaded: { state: TreeState; events: readonly NuwaEvent[] };
  random: Random;
  /** @default MEMBER_TIMING */
  timing?: RaftTiming;
  /** @default MEMBER_LIMITS */
  limits?: RaftLimits;
  /** What a watcher may miss and still resume. @default MEMBER_RING */
  ring?: RingBounds;
}

export const TICK_MS = 25;
/** An election after 1 to 1.5 s of silence: several times what a busy machine lets a heartbeat wait. A broken connection is noticed at once. */
export const MEMBER_TIMING: RaftTiming = { electionTicks: 40, heartbeatTicks: 4 };
/** Of leases, where they are on: the shortest election timeout less what clocks may run apart, generously. */
export const LEASE_MS = 600;
export const MEMBER_LIMITS: RaftLimits = { appendBytesMax: 1024 * 1024, inflightMax: 64, keptBytesMax: 16 * 1024 * 1024 };
/** Some minutes of heavy writing. */
export const MEMBER_RING: RingBounds = { eventsMax: 65_536, bytesMax: 64 * 1024 * 1024 };

/** How often the leader is told who was heard of, and looks who was not: what a session may live longer than its TTL says. */
export const SESSION_TICKS = 4;
export const REAP_TICKS = 40;
/** In election timeouts. What waits for a leader, or for a leader's answer to a read, gives up after the first, a change after the second. */
export const HELD_TIMEOUTS = 2;
export const SENT_TIMEOUTS = 4;
/** Ids of messages begin at the boot times this, so that a late answer to an earlier start fits no question of this one. */
export const ASKS_PER_BOOT_UNIT = 1_000;
