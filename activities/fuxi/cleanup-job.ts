import { jobDirectory } from '../../services/fuxi/contract.ts';
import type { FuxiServices } from './services.ts';

/** Removes everything a job run kept for itself. Run again it finds nothing to do. */
export function createCleanupJob({ pangu }: FuxiServices) {
  return async function cleanupJob({ runId }: { runId: string }): Promise<void> {
    await pangu.rm(jobDirectory(runId), { recursive: true, force: true, skipTrash: true });
  };
}
