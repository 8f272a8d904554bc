import { createAddNode } from './dayu/add-node.ts';
import { createApplicationsOn } from './dayu/applications-on.ts';
import { createAwaitNode, createAwaitNodeGone } from './dayu/await-node.ts';
import { createBalanceNode } from './dayu/balance-node.ts';
import { createBeginRollout } from './dayu/begin-rollout.ts';
import { createBeginShrink } from './dayu/begin-shrink.ts';
import { createCheckExpand } from './dayu/check-expand.ts';
import type { createDeploy } from './dayu/deploy.ts';
import { createDrainNode } from './dayu/drain-node.ts';
import { createEndRollout } from './dayu/end-rollout.ts';
import { createEndShrink } from './dayu/end-shrink.ts';
import { createForgetNode } from './dayu/forget-node.ts';
import type { createLeaveTubo } from './dayu/leave-tubo.ts';
import { createMendReplicas } from './dayu/mend-replicas.ts';
import type { NodeServices } from './dayu/node-services.ts';
import type { createObserve } from './dayu/observe.ts';
import { createPlace } from './dayu/place.ts';
import type { createRemoveApplication } from './dayu/remove-application.ts';
import { createRemoveNode } from './dayu/remove-node.ts';
import type { DayuServices } from './dayu/services.ts';
import { createSetDraining } from './dayu/set-draining.ts';
import { createCleanupJob } from './fuxi/cleanup-job.ts';
import { createExchange } from './fuxi/exchange.ts';
import { createPlanJob } from './fuxi/plan-job.ts';
import { createPublishJob } from './fuxi/publish-job.ts';
import type { createRunBatch } from './fuxi/run-batch.ts';
import type { FuxiServices } from './fuxi/services.ts';
import { createBalanceStep } from './pangu/balance-step.ts';
import { createClaimRepair } from './pangu/claim-repair.ts';
import { createDrainStep } from './pangu/drain-step.ts';
import { createPlanWork } from './pangu/plan-work.ts';
import { createRepairStep } from './pangu/repair-step.ts';

/** Activities of the queue `feitian`: whichever worker is free runs them. */
export function createActivities(services: FuxiServices & DayuServices & NodeServices) {
  return {
    planJob: createPlanJob(services),
    exchange: createExchange(services),
    publishJob: createPublishJob(services),
    cleanupJob: createCleanupJob(services),
    checkExpand: createCheckExpand(services),
    applicationsOn: createApplicationsOn(services),
    addNode: createAddNode(services),
    awaitNode: createAwaitNode(services),
    balanceNode: createBalanceNode(services),
    beginShrink: createBeginShrink(services),
    setDraining: createSetDraining(services),
    drainNode: createDrainNode(services),
    removeNode: createRemoveNode(services),
    awaitNodeGone: createAwaitNodeGone(services),
    forgetNode: createForgetNode(services),
    mendReplicas: createMendReplicas(services),
    endShrink: createEndShrink(services),
    beginRollout: createBeginRollout(services),
    place: createPlace(services),
    endRollout: createEndRollout(services),
    planWork: createPlanWork(services),
    claimRepair: createClaimRepair(services),
    repairStep: createRepairStep(services),
    balanceStep: createBalanceStep(services),
    drainStep: createDrainStep(services),
  };
}
export type Activities = ReturnType<typeof createActivities>;

/** Activities of the queue `tubo:<node>`: they run on that node. */
export interface NodeActivities {
  runBatch: ReturnType<typeof createRunBatch>;
  leaveTubo: ReturnType<typeof createLeaveTubo>;
  deploy: ReturnType<typeof createDeploy>;
  removeApplication: ReturnType<typeof createRemoveApplication>;
  observe: ReturnType<typeof createObserve>;
}
