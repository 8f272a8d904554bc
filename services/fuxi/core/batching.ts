import { expectedMs, type Timings } from './timings.ts';

/**
 * How many instances one activity should carry. An activity costs the engine about 10 ms of the server's time and the history three events,
 * so instances shorter than a second go together. Too large a batch leaves containers idle at the end of the task; so it is
 * never more than half of an even share of what waits (guided self-scheduling, Polychronopoulos and Kuck 1987).
 */
export const BATCH_TARGET_MS = 2_000;
/** When a batch has run for this long, what it has not begun is given back. */
export const BATCH_BUDGET_MS = 3_000;
/** Keeps one activity's input and result well below Temporal's payload limits. */
export const BATCH_INSTANCES_MAX = 200;

/** How many of `waiting` (their input bytes, in the order they would run) the next batch takes. */
export function batchSize(waiting: readonly number[], containers: number, timings: Timings): number {
  const share = Math.max(1, Math.ceil(waiting.length / (2 * Math.max(1, containers))));
  const most = Math.min(share, BATCH_INSTANCES_MAX, waiting.length);
  let ms = 0;
  for (let size = 0; size < most; size++) {
    ms += expectedMs(timings, waiting[size]!);
    if (size > 0 && ms > BATCH_TARGET_MS) return size;
  }
  return most;
}
