/** The front door: every workflow type that can be started. */

export { dayuRollout } from './dayu/dayu-rollout.ts';
export { dayuExpand } from './dayu/expand.ts';
export { dayuShrink } from './dayu/shrink.ts';
export { fuxiJob } from './fuxi/fuxi-job.ts';
export { fuxiTask } from './fuxi/fuxi-task.ts';
export { panguBalance } from './pangu/balance.ts';
export { panguDrain } from './pangu/drain.ts';
export { panguRepair } from './pangu/repair.ts';
