import { hasCode } from '../../services/base/errors.ts';
import { attemptPath, partName, taskDirectory } from '../../services/fuxi/contract.ts';
import type { TaskPublication } from '../../services/fuxi/core/planned-job.ts';
import { winningAttempt } from '../../services/fuxi/core/winners.ts';
import { explainPangu, refuse } from './failures.ts';
import type { FuxiServices } from './services.ts';

/** Makes the winners' outputs visible, all at once. Run again after it succeeded it changes nothing. Failures: OutputExists, StorageFailed. */
export function createPublishJob({ pangu }: FuxiServices) {
  return async function publishJob({ runId, publications }: { runId: string; publications: TaskPublication[] }): Promise<void> {
    const complete = publications.map(({ task, directory, overwrite, winners }) => ({
      directory,
      overwrite,
      files: Array.from({ length: winners.instances }, (_, instance) => ({
        from: attemptPath(taskDirectory(runId, task), instance, winningAttempt(winners, instance)),
        name: partName(instance),
      })),
    }));
    try {
      await pangu.publish(runId, complete);
    } catch (error) {
      if (hasCode(error, 'EEXIST'))
        throw refuse('OutputExists', `a destination appeared while the job ran: ${(error as Error).message}`, { cause: error });
      throw explainPangu(error, 'publishing');
    }
  };
}
