import type { PlanFacts, Rollout } from '../../services/dayu/contract.ts';
import { explainDayu } from './failures.ts';
import type { DayuServices } from './services.ts';

/**
 * Takes the application for one workflow run, and tells it what there is. Run again by the same run it answers the same.
 * Failures: UnknownApplication, UnknownVersion, UnknownNode, RolloutInProgress.
 */
export function createBeginRollout({ dayuMaster }: DayuServices) {
  return async function beginRollout(request: { workflowId: string; runId: string; rollout: Rollout }): Promise<PlanFacts> {
    try {
      return await dayuMaster.beginRollout(request, { timeoutMs: 8_000 });
    } catch (error) {
      throw explainDayu(error);
    }
  };
}
