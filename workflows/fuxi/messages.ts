import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import {
  type ContainersLostSignal,
  type Decision,
  type GrantSignal,
  type JobPlan,
  type JobProgress,
  type PartialSignal,
  type ResyncSignal,
  SIGNALS,
  type TaskInput,
  type TaskProgress,
} from '../../services/fuxi/contract.ts';

/** Everything that is said to `fuxiJob` and `fuxiTask` while they run. */

// ---- to a job, by people ----
export const progressQuery = defineQuery<JobProgress>('progress');
export const planQuery = defineQuery<JobPlan | null>('plan');
export const whyQuery = defineQuery<Decision[]>('why');
export const pauseUpdate = defineUpdate<void>('pause');
export const resumeUpdate = defineUpdate<void>('resume');
export const setPriorityUpdate = defineUpdate<void, [number]>('setPriority');

/** What the Web UI says of each in its drop-downs. */
export const DESCRIPTIONS = {
  progress: 'Phase and counts of every task',
  plan: 'The DAG: tasks, instances, inputs, programs, outputs; null while it is being made',
  why: 'Retries, backups and re-runs so far, each with its rule and the numbers it saw',
  pause: 'Start nothing new; attempts that run go on to their end',
  resume: 'Go on after a pause',
  setPriority: 'A whole number from 0 to 9; more is more urgent',
} as const;

// ---- to a TaskMaster ----
export const grantSignal = defineSignal<[GrantSignal]>(SIGNALS.grant);
export const containersLostSignal = defineSignal<[ContainersLostSignal]>(SIGNALS.containersLost);
export const resyncSignal = defineSignal<[ResyncSignal]>(SIGNALS.resync);
export const partialSignal = defineSignal<[PartialSignal]>(SIGNALS.partial);
export const inputsRepairedSignal = defineSignal<[InputsRepaired]>(SIGNALS.inputsRepaired);
export const controlSignal = defineSignal<[Control]>(SIGNALS.control);
export const taskProgressQuery = defineQuery<TaskProgress>('progress');

// ---- from a TaskMaster to its job ----
export const taskProgressSignal = defineSignal<[TaskProgressSignal]>(SIGNALS.taskProgress);
export const shuffleLostSignal = defineSignal<[ShuffleLostSignal]>(SIGNALS.shuffleLost);

export interface Control {
  paused?: boolean;
  priority?: number;
}

export interface InputsRepaired {
  input: TaskInput;
  generation: number;
}

export interface TaskProgressSignal {
  task: string;
  shard: number;
  progress: TaskProgress;
  /** Decisions since the last signal. */
  decisions: Decision[];
}

export interface ShuffleLostSignal {
  /** The task whose outputs are lost. */
  task: string;
  instances: number[];
  /** What its reader last heard of repairs: outputs repaired since then are not lost. */
  generation: number;
  /** The reader's workflow id. */
  reader: string;
}
