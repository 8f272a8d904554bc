import { Worker } from '@temporalio/worker';
import { createDeploy } from '../activities/dayu/deploy.ts';
import { createLeaveTubo } from '../activities/dayu/leave-tubo.ts';
import { createObserve } from '../activities/dayu/observe.ts';
import { createRemoveApplication } from '../activities/dayu/remove-application.ts';
import { createRunBatch } from '../activities/fuxi/run-batch.ts';
import type { NodeActivities } from '../activities/index.ts';
import { createLogger } from '../services/base/log.ts';
import type { StartRole } from '../services/base/role.ts';
import { startDayuAgent } from '../services/dayu/agent/server.ts';
import { tuboQueue } from '../services/fuxi/contract.ts';
import { startTubo } from '../services/fuxi/tubo/server.ts';
import { tellNode } from '../services/shennong/client.ts';
import { connectWorker } from './temporal/connect.ts';
import { runUntilStopped } from './temporal/run-worker.ts';
import { prepareRuntime } from './temporal/runtime.ts';
import { traceActivities } from './temporal/trace.ts';
import { createWorkflowPort } from './temporal/workflow-port.ts';

/** More than a node ever has containers: FuxiMaster is who bounds what runs here. */
const BATCHES_MAX = 2_000;

/** Role `tubo`: the node's agents, of jobs and of services, with a Temporal worker on its queue that hands them what to do. */
export const start: StartRole = async (config) => {
  const { temporal, node } = config;
  if (!temporal || !node) throw new Error('role tubo needs a node and the address of Temporal');
  const log = createLogger({ role: 'tubo', node: node.id });
  await prepareRuntime(log);
  const [connection, workflows] = await Promise.all([connectWorker(temporal), createWorkflowPort(temporal)]);
  // Before it is registered nothing is sent here, and before it polls nothing is taken: so Tubo first.
  const tubo = await startTubo(config, { workflows });
  const agent = await startDayuAgent(config);
  const activities: NodeActivities = {
    runBatch: createRunBatch(tubo),
    deploy: createDeploy(agent),
    removeApplication: createRemoveApplication(agent),
    observe: createObserve(agent),
    leaveTubo: createLeaveTubo(tubo),
  };
  const worker = await Worker.create({
    connection,
    namespace: temporal.namespace,
    taskQueue: tuboQueue(node.id),
    activities,
    interceptors: { activity: [traceActivities] },
    identity: `tubo@${node.id}`,
    maxConcurrentActivityTaskExecutions: BATCHES_MAX,
    maxConcurrentActivityTaskPolls: 5,
    // Heartbeats carry the news that a batch was cancelled back to us, so they are sent as often as they are made.
    maxHeartbeatThrottleInterval: '1 second',
    defaultHeartbeatThrottleInterval: '1 second',
    // The first thing a stopped Tubo does is kill its containers; what is left to do is to say so.
    shutdownGraceTime: 0,
    shutdownForceTime: '10 seconds',
  });
  const running = runUntilStopped(worker, log);
  const stopTelling = tellNode(config);

  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    if (worker.getState() === 'RUNNING') worker.shutdown();
    // Services need their time to end; the worker has nothing to do with that.
    await Promise.all([running, agent.stop()]);
    await tubo.stop();
    stopTelling();
    await workflows.close();
    await connection.close();
  };
  return { address: tubo.address, stop: () => (stopped ??= stop()) };
};
