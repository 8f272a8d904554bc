import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { RolloutPlan, RolloutProgress } from '../../services/dayu/contract.ts';

/** Everything that is said to `dayuRollout` while it runs, by people. */
export const progressQuery = defineQuery<RolloutProgress>('progress');
export const planQuery = defineQuery<RolloutPlan | null>('plan');
export const pauseUpdate = defineUpdate<void>('pause');
export const resumeUpdate = defineUpdate<void>('resume');
export const approveUpdate = defineUpdate<void>('approve');
export const abortUpdate = defineUpdate<void>('abort');
export const rollbackUpdate = defineUpdate<void>('rollback');

/** What the Web UI says of each in its drop-downs. */
export const DESCRIPTIONS = {
  progress: 'Phase, wave, and state of every node',
  plan: 'The waves with their nodes and reasons; null while it is being made',
  pause: 'Begin no other node; nodes under way go on to their end',
  resume: 'Go on after a pause; nodes that failed are tried again',
  approve: 'The canary is well: go on with the other waves',
  abort: 'Stop here: nodes stay as they are',
  rollback: 'Take every node that was changed back to what it ran before',
} as const;
