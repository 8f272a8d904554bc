import type { CallOptions, Priority } from '../contract.ts';
import { FLAGS } from './frame.ts';

/**
 * Priorities say what goes first where there is more than can be done at once; where there is not, they change nothing. They act in two places: on a
 * connection whose peer is slow to read (waiting-frames.ts) and at a server near its bounds (here).
 *
 * A server that is loaded refuses bulk early, so that small calls still find room, and keeps some room that only `high` may take, so
 * that a heartbeat gets through where everybody else is refused: a server that is busy must not look like one that is dead.
 *
 *   0            1/2                    15/16  1     share of a bound that is in use
 *   |-- all -----|-- normal and high ---|-high-|
 */
const LOW_SHARE = 1 / 2;
/** 512 of 8,192 calls: each client has a handful of high calls under way at most. */
const HIGH_RESERVE = 1 / 16;

/** How much of a bound calls of this priority may take together with all others. Small bounds are not divided to nothing. */
export function roomWithin(bound: number, priority: Priority): number {
  switch (priority) {
    case 'high':
      return bound;
    case 'normal':
      return bound - Math.floor(bound * HIGH_RESERVE);
    case 'low':
      return Math.max(1, Math.floor(bound * LOW_SHARE));
  }
}

/** Flags of a call's request, and of what follows it from the caller. */
export function flagsOf({ priority, compress }: CallOptions): number {
  const flags = priority === 'high' ? FLAGS.high : priority === 'low' ? FLAGS.low : 0;
  return compress ? flags | FLAGS.compressed | FLAGS.compressReply : flags;
}

/** Flags of what a server sends back for a request with these. */
export function replyFlagsOf(flags: number): number {
  const priority = flags & (FLAGS.high | FLAGS.low);
  return (flags & FLAGS.compressReply) !== 0 ? priority | FLAGS.compressed : priority;
}

export function priorityOf(flags: number): Priority {
  if ((flags & FLAGS.high) !== 0) return 'high';
  return (flags & FLAGS.low) !== 0 ? 'low' : 'normal';
}
