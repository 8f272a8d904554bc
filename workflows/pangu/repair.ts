/**
 * Chunks that lack replicas get them, those in most danger first. Started when a node died and much is lacking, or by hand; while it lasts, also while it is
 * paused, the masters' own control loop copies nothing.
 */
import { CancellationScope, condition, sleep, workflowInfo } from '@temporalio/workflow';
import type { WorkResult } from '../../services/pangu/work-contract.ts';
import { quick, steps, WorkRun } from './work-run.ts';

/** Longer than the time after which a pause is said again. */
const PAUSE_CLAIM_MS = 3_600_000;
const PAUSE_AGAIN_MS = 1_800_000;
/** Steps in a row that could make nothing, and the pause after each: a server that restarts is back by then. */
const IDLE_MAX = 6;
const IDLE_MS = 5_000;

export async function panguRepair(document: unknown): Promise<WorkResult> {
  const run = new WorkRun('repair', document);
  const { workflowId: holder } = workflowInfo();
  const claim = (forMs: number, summary: string): Promise<void> => quick.claimRepair.executeWithOptions({ summary }, [{ holder, forMs }]);

  const body = async (): Promise<'done' | 'incomplete'> => {
    for (let idle = 0, count = 1; ; count++) {
      while (run.state.paused) {
        await claim(PAUSE_CLAIM_MS, 'paused: nobody copies meanwhile');
        await condition(() => !run.state.paused, PAUSE_AGAIN_MS);
      }
      const { done, replicas } = await run.step('all', (stepMs) => {
        const { bytesPerSecond } = run.state;
        return steps.repairStep.executeWithOptions({ summary: `copy what is lacking, step ${count}` }, [
          { stepMs, holder, bytesPerSecond },
        ]);
      });
      if (done) return 'done';
      idle = replicas > 0 || run.state.paused ? 0 : idle + 1;
      if (idle === IDLE_MAX) return 'incomplete';
      if (idle > 0) await sleep(IDLE_MS);
      await run.maybeContinue(panguRepair);
    }
  };
  const release = (): Promise<void> => CancellationScope.nonCancellable(() => claim(0, 'the control loop copies again'));
  return run.main(body, { release });
}
