import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Sample } from '../../base/metrics.ts';
import type { WorkflowCounter } from '../contract.ts';

/** Every workflow type that people wait for. A batch of counts is a handful of index look-ups for the engine. */
export const WORKFLOW_TYPES = ['fuxiJob', 'fuxiTask', 'dayuRollout', 'dayuExpand', 'dayuShrink'] as const;
/** Told even where there are none, so that a query has an answer and a first failure is seen as a rise from zero. */
export const STATUSES = ['Running', 'Completed', 'Failed', 'Canceled', 'Terminated', 'TimedOut'] as const;

const COUNT_MS = 10_000;

/** Asks the workflow engine how many executions there are, again and again. @returns what it said last; nothing while it is away. */
export function countWorkflows(options: {
  workflows: WorkflowCounter;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  /** @default 10_000 */
  intervalMs?: number;
}): { samples(): Sample<'type' | 'status'>[]; ended: Promise<void> } {
  const { workflows, clock, log, signal, intervalMs = COUNT_MS } = options;
  let samples: Sample<'type' | 'status'>[] = [];
  let away = false;

  const count = async (): Promise<void> => {
    try {
      const counts = await Promise.all(WORKFLOW_TYPES.map(async (type) => [type, await workflows.count(type)] as const));
      samples = counts.flatMap(([type, byStatus]) =>
        [...new Set([...STATUSES, ...byStatus.keys()])].map((status) => ({ labels: { type, status }, value: byStatus.get(status) ?? 0 })),
      );
      away = false;
    } catch (error) {
      samples = [];
      if (!away && !signal.aborted) log.warn({ error: messageOf(error) }, 'workflows.uncounted');
      away = true;
    }
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await count();
      await clock.sleep(intervalMs, signal).catch(() => {});
    }
  };
  return { samples: () => samples, ended: run() };
}
