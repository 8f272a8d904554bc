import { createBeginRollout } from './dayu/begin-rollout.ts';
import type { createDeploy } from './dayu/deploy.ts';
import { createEndRollout } from './dayu/end-rollout.ts';
import type { createObserve } from './dayu/observe.ts';
import { createPlace } from './dayu/place.ts';
import type { createRemoveApplication } from './dayu/remove-application.ts';
import type { DayuServices } from './dayu/services.ts';
import { createCleanupJob } from './fuxi/cleanup-job.ts';
import { createExchange } from './fuxi/exchange.ts';
import { createPlanJob } from './fuxi/plan-job.ts';
import { createPublishJob } from './fuxi/publish-job.ts';
import type { createRunBatch } from './fuxi/run-batch.ts';
import type { FuxiServices } from './fuxi/services.ts';

/** Activities of the queue `feitian`: whichever worker is free runs them. */
export function createActivities(services: FuxiServices & DayuServices) {
  return {
    planJob: createPlanJob(services),
    exchange: createExchange(services),
    publishJob: createPublishJob(services),
    cleanupJob: createCleanupJob(services),
    beginRollout: createBeginRollout(services),
    place: createPlace(services),
    endRollout: createEndRollout(services),
  };
}
export type Activities = ReturnType<typeof createActivities>;

/** Activities of the queue `tubo:<node>`: they run on that node. */
export interface NodeActivities {
  runBatch: ReturnType<typeof createRunBatch>;
  deploy: ReturnType<typeof createDeploy>;
  removeApplication: ReturnType<typeof createRemoveApplication>;
  observe: ReturnType<typeof createObserve>;
}
