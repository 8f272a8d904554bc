import { metricMeter } from '@temporalio/workflow';
import { JOB_METRICS } from '../../services/fuxi/metrics.ts';

/**
 * What jobs count of themselves. It goes out through the worker that runs the workflow, not into its history, and nothing is counted while a history is
 * replayed; a worker that dies in the middle of a step may have counted what the next one counts again.
 */
type Name = keyof typeof JOB_METRICS;
type Outcome = 'done' | 'failed' | 'cancelled';

export function count(name: Name, by = 1, tags: { outcome?: Outcome } = {}): void {
  const { name: metric, help } = JOB_METRICS[name];
  metricMeter.createCounter(metric, undefined, help).add(by, tags);
}

/** A counter that appears with its first 1 shows no rise: so all that a workflow may count are there, at zero, before it does. */
export function beginCountingJob(): void {
  for (const outcome of ['done', 'failed', 'cancelled'] as const) count('jobs', 0, { outcome });
}

export function beginCountingTask(): void {
  for (const outcome of ['done', 'failed'] as const) count('tasks', 0, { outcome });
  for (const name of ['instances', 'retries', 'backups'] as const) count(name, 0);
}
