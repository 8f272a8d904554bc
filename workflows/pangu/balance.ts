/** Replicas move until all nodes are equally full, each by its size: after nodes joined, or left, or when files of one node grew more than others. */
import type { WorkResult } from '../../services/pangu/work-contract.ts';
import { steps, WorkRun } from './work-run.ts';

export async function panguBalance(document: unknown): Promise<WorkResult> {
  const run = new WorkRun('balance', document);
  return run.main(async () => {
    for (let count = 1; ; count++) {
      const { done } = await run.step('all', (stepMs) => {
        const { bytesPerSecond } = run.state;
        return steps.balanceStep.executeWithOptions({ summary: `move replicas to emptier nodes, step ${count}` }, [
          { stepMs, bytesPerSecond },
        ]);
      });
      if (done) return 'done';
      await run.maybeContinue(panguBalance);
    }
  });
}
