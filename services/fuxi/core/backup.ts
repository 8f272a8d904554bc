import { expectedMs, type Timings } from './timings.ts';

/**
 * The long tail (MapReduce, Dean and Ghemawat 2004, section 3.6; Fuxi, VLDB 2014, section 4.3.2): when most instances have finished, one that takes far longer than
 * they did for as many bytes is tried once more elsewhere, and whichever attempt ends first wins.
 */
export interface BackupRule {
  enabled: boolean;
  /** How many times the expected duration an attempt may take. */
  slowdown: number;
  /** Share of instances that must have finished before anything is judged. */
  afterFraction: number;
}

/** Below this nothing is a straggler: a backup costs a container start and would not be quicker. */
const STRAGGLER_MS_MIN = 2_000;

export interface BackupView {
  rule: BackupRule;
  instances: number;
  done: number;
  timings: Timings;
}

/** The age at which an attempt over `bytes` counts as a straggler; `undefined` while too little is known. */
export function stragglerAgeMs(view: BackupView, bytes: number): number | undefined {
  const { rule, instances, done, timings } = view;
  if (!rule.enabled || done === 0 || done < instances * rule.afterFraction) return undefined;
  return Math.max(STRAGGLER_MS_MIN, rule.slowdown * expectedMs(timings, bytes));
}
