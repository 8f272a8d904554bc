import { Worker } from '@temporalio/worker';
import { createLeaveTubo } from '../activities/dayu/leave-tubo.ts';
import { createRunBatch } from '../activities/fuxi/run-batch.ts';
import type { NodeActivities } from '../activities/index.ts';
import { createLogger } from '../services/base/log.ts';
import type { StartRole } from '../services/base/role.ts';
import { tuboQueue } from '../services/fuxi/contract.ts';
import { startTubo } from '../services/fuxi/tubo/server.ts';
import { connectWorker } from './temporal/connect.ts';
import { logThrough, runUntilStopped } from './temporal/run-worker.ts';
import { createWorkflowPort } from './temporal/workflow-port.ts';

/** More than a node ever has containers: FuxiMaster is who bounds what runs here. */
const BATCHES_MAX = 2_000;

/** Role `tubo`: the node's agent, with a Temporal worker on its queue that hands it batches. */
export const start: StartRole = async (config) => {
  const { temporal, node } = config;
  if (!temporal || !node) throw new Error('role tubo needs a node and the address of Temporal');
  const log = createLogger({ role: 'tubo', node: node.id });
  logThrough(log);
  const [connection, workflows] = await Promise.all([connectWorker(temporal), createWorkflowPort(temporal)]);
  // Before it is registered nothing is sent here, and before it polls nothing is taken: so Tubo first.
  const tubo = await startTubo(config, { workflows });
  const activities: NodeActivities = { runBatch: createRunBatch(tubo), leaveTubo: createLeaveTubo(tubo) };
  const worker = await Worker.create({
    connection,
    namespace: temporal.namespace,
    taskQueue: tuboQueue(node.id),
    activities,
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

  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    if (worker.getState() === 'RUNNING') worker.shutdown();
    await running;
    await tubo.stop();
    await workflows.close();
    await connection.close();
  };
  return { address: tubo.address, stop: () => (stopped ??= stop()) };
};
