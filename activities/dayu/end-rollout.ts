import type { RolloutState } from '../../services/dayu/contract.ts';
import type { DayuServices } from './services.ts';

/** Gives the application back, with what became of the rollout. Run again, or for a run that never had it, it changes nothing. */
export function createEndRollout({ dayuMaster }: DayuServices) {
  return async function endRollout(request: {
    workflowId: string;
    runId: string;
    state: Exclude<RolloutState, 'running'>;
    reason: string;
  }): Promise<void> {
    await dayuMaster.endRollout(request, { timeoutMs: 8_000 });
  };
}
