import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { WorkPlan, WorkProgress } from '../../services/pangu/work-contract.ts';

/** Everything that is said to `panguRepair`, `panguBalance` and `panguDrain` while they run. */
export const workProgressQuery = defineQuery<WorkProgress>('progress');
export const workPlanQuery = defineQuery<WorkPlan | null>('plan');
export const pauseUpdate = defineUpdate<void>('pause');
export const resumeUpdate = defineUpdate<void>('resume');
export const setRateUpdate = defineUpdate<void, [bytesPerSecond: number | null]>('setRate');

/** What the Web UI says of each in its drop-downs. */
export const DESCRIPTIONS = {
  progress: 'Phase, what was copied and what is left',
  plan: 'What is to be copied, and which nodes hold how much; null until the cluster was looked at',
  pause: 'Copy nothing more until it is resumed; copies under way go on to their end',
  resume: 'Go on after a pause',
  setRate: 'Copy so many bytes a second from now on; null: what the cluster heals with',
} as const;
