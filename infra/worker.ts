import { type NativeConnection, Worker } from '@temporalio/worker';
import { createActivities } from '../activities/index.ts';
import { createLogger } from '../services/base/log.ts';
import type { RoleConfig, RunningRole } from '../services/base/role.ts';
import { DAYU_MASTER_SERVICE, dayuMasterService } from '../services/dayu/contract.ts';
import { FEITIAN_QUEUE, FUXI_MASTER_SERVICE, fuxiMasterService } from '../services/fuxi/contract.ts';
import { joinCluster } from '../services/nuwa/client.ts';
import { createPangu } from '../services/pangu/client.ts';
import { MASTER_SERVICE, masterService } from '../services/pangu/master-contract.ts';
import { createNodeProvider } from './node-provider.ts';
import { connectClient, connectWorker } from './temporal/connect.ts';
import { runUntilStopped } from './temporal/run-worker.ts';
import { isRunning } from './temporal/running-workflows.ts';
import { prepareRuntime } from './temporal/runtime.ts';
import { traceActivities } from './temporal/trace.ts';
import { workflowBundle } from './workflow-bundle.ts';

/** The role `worker`: runs the workflows and every activity that is not bound to a node. As many of them as wanted may run side by side. */
export async function start(config: RoleConfig): Promise<RunningRole> {
  if (!config.temporal) throw new Error('the role worker needs a Temporal server: set TEMPORAL_ADDRESS');
  const { cluster, temporal } = config;
  const log = createLogger({ role: 'worker' });
  await prepareRuntime(log);
  const [member, bundle, connection, client] = await Promise.all([
    joinCluster({ cluster, nuwa: config.nuwa, creator: 'worker', identity: config.identity, log }),
    workflowBundle(log),
    connectWorker(temporal),
    connectClient(temporal),
  ]);
  const pangu = createPangu({ cluster, kuafu: member.kuafu, nuwa: member.nuwa, log });
  const fuxiMaster = member.kuafu.service(fuxiMasterService, `nuwa://${cluster}/${FUXI_MASTER_SERVICE}/`);
  const nodeServices = {
    panguMaster: member.kuafu.service(masterService, `nuwa://${cluster}/${MASTER_SERVICE}/`),
    nuwa: member.nuwa,
    nodeProvider: createNodeProvider(process.env.FEITIAN_DIR),
    isRunning: (workflowId: string, runId: string) => isRunning(client, workflowId, runId),
  };
  const dayuMaster = member.kuafu.service(dayuMasterService, `nuwa://${cluster}/${DAYU_MASTER_SERVICE}/`);
  const worker = await createWorker(
    connection,
    temporal.namespace,
    bundle,
    createActivities({ pangu, fuxiMaster, dayuMaster, ...nodeServices }),
  );
  const running = runUntilStopped(worker, log);

  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    // The SDK hears the signal too, and may have begun already.
    if (worker.getState() === 'RUNNING') worker.shutdown();
    await running;
    await pangu.close();
    await member.leave();
    await client.connection.close();
    await connection.close();
  };
  return { stop: () => (stopped ??= stop()) };
}

function createWorker(
  connection: NativeConnection,
  namespace: string,
  workflowBundle: { code: string },
  activities: object,
): Promise<Worker> {
  return Worker.create({
    connection,
    namespace,
    taskQueue: FEITIAN_QUEUE,
    workflowBundle,
    activities,
    interceptors: { activity: [traceActivities] },
    // A step of one workflow waits for a poller; with many workflows at once the default of 5 polls is what limits.
    maxConcurrentWorkflowTaskPolls: 10,
    maxConcurrentActivityTaskPolls: 10,
    maxConcurrentActivityTaskExecutions: 100,
    // A workflow whose worker was killed stands still for so long; half of the default. Less would send workflows to be replayed when one is merely busy.
    stickyQueueScheduleToStartTimeout: '5 seconds',
    shutdownGraceTime: '5 seconds',
  });
}
