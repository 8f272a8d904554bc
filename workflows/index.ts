/** The front door: every workflow type that can be started. */
export { dayuRollout } from './dayu/dayu-rollout.ts';
export { fuxiJob } from './fuxi/fuxi-job.ts';
export { fuxiTask } from './fuxi/fuxi-task.ts';
