import type { TaskProgress } from '../contract.ts';

export function noProgress(instances: number, bytesInTotal: number): TaskProgress {
  return {
    instances,
    done: 0,
    running: 0,
    failedAttempts: 0,
    backups: 0,
    rerun: 0,
    containers: 0,
    bytesIn: 0,
    bytesInTotal,
    bytesOut: 0,
    recordsIn: 0,
    recordsOut: 0,
    attemptMs: 0,
  };
}

/** The progress of a task whose instances are spread over several TaskMasters. */
export function sumProgress(parts: readonly TaskProgress[]): TaskProgress {
  const sum = noProgress(0, 0);
  for (const part of parts) {
    if (part.waits !== undefined) sum.waits = part.waits;
    for (const key of Object.keys(part) as (keyof TaskProgress)[]) {
      if (key === 'waits') continue;
      const value = part[key] ?? 0;
      if (key === 'startedAtMs') sum.startedAtMs = Math.min(sum.startedAtMs ?? value, value);
      else if (key === 'finishedAtMs') sum.finishedAtMs = Math.max(sum.finishedAtMs ?? value, value);
      else sum[key] += value;
    }
  }
  if (parts.some((part) => part.finishedAtMs === undefined)) delete sum.finishedAtMs;
  return sum;
}

/**
 * When a TaskMaster tells its job how far it is: every 2 s at first, then ever more rarely, so that an hour of work costs some 200 signals
 * and not 1,800.
 */
export function progressIntervalMs(elapsedMs: number): number {
  return Math.max(2_000, elapsedMs / 50);
}
