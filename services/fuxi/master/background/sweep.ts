import type { Clock } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { WorkflowPort } from '../../contract.ts';
import { requesterKey } from '../../core/pool-state.ts';
import type { FuxiMaster } from '../master.ts';
import { TASK_WORKFLOW_TYPE, taskMasterRun } from '../task-masters.ts';

export interface SweepOptions {
  master: FuxiMaster;
  workflows: WorkflowPort;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  intervalMs: number;
}

/** A TaskMaster that was terminated says nothing; what it held is idle for this long at most. One list request each time. */
export const SWEEP_INTERVAL_MS = 30_000;

/**
 * Sets the books beside the list of TaskMasters that run. The list lags behind by a little, so it only raises the question: one that is in
 * the books but not in the list, or the other way round, is sent `resync`. It then tells everything, or is found gone.
 */
export async function sweep({ master, workflows, clock, log, signal, intervalMs }: SweepOptions): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(intervalMs, signal).catch(() => {});
    if (signal.aborted || master.pool.recovering) continue;
    try {
      const running = new Map((await workflows.listRunning(TASK_WORKFLOW_TYPE)).map(taskMasterRun).map((run) => [requesterKey(run), run]));
      const known = master.pool.requesters;
      const doubtful = [
        ...[...known.values()].filter((requester) => !running.has(requester.key)),
        ...[...running].filter(([key]) => !known.has(key)).map(([, run]) => run),
      ];
      await Promise.all(doubtful.map((run) => master.resync(run)));
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'sweep.failed');
    }
  }
}
