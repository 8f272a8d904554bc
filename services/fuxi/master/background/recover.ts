import { backoffMs } from '../../../base/backoff.ts';
import type { Clock } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { Random } from '../../../base/random.ts';
import type { WorkflowPort } from '../../contract.ts';
import type { FuxiMaster } from '../master.ts';
import { TASK_WORKFLOW_TYPE, taskMasterRun } from '../task-masters.ts';

export interface RecoverOptions {
  master: FuxiMaster;
  workflows: WorkflowPort;
  clock: Clock;
  random: Random;
  log: Logger;
  signal: AbortSignal;
}

/** A TaskMaster whose worker lives answers within tens of milliseconds; one without a worker must not stop the others for long. */
export const RECOVERY_MS_MAX = 3_000;

/**
 * After a start: asks every TaskMaster that runs to tell what it holds. Nothing is granted until all have, or until `RECOVERY_MS_MAX` after
 * the last was asked. While the workflow engine is away it waits: nobody could be told of a grant either.
 */
export async function recover({ master, workflows, clock, random, log, signal }: RecoverOptions): Promise<void> {
  for (let tries = 1; !signal.aborted; tries++) {
    try {
      const taskMasters = (await workflows.listRunning(TASK_WORKFLOW_TYPE)).map(taskMasterRun);
      log.info({ taskMasters: taskMasters.length }, 'recovery.asking');
      master.handle({ kind: 'expect', taskMasters });
      await Promise.all(taskMasters.map((run) => master.resync(run)));
      break;
    } catch (error) {
      log.warn({ tries, error: messageOf(error) }, 'recovery.list-failed');
      await clock.sleep(backoffMs(tries, random), signal).catch(() => {});
    }
  }
  if (!master.pool.recovering || signal.aborted) return;
  await clock.sleep(RECOVERY_MS_MAX, signal).catch(() => {});
  const silent = [...(master.pool.recovering?.expected ?? [])];
  if (silent.length > 0 && !signal.aborted) {
    log.warn({ silent }, 'recovery.gave-up-waiting');
    master.handle({ kind: 'stopExpecting' });
  }
}
