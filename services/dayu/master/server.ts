import { systemClock } from '../../base/clock.ts';
import { openDatabase } from '../../base/database.ts';
import { newId } from '../../base/ids.ts';
import { createLogger, type Logger } from '../../base/log.ts';
import type { RoleConfig, RunningRole } from '../../base/role.ts';
import { implement, serve } from '../../kuafu/server.ts';
import { joinCluster } from '../../nuwa/client.ts';
import { createPangu } from '../../pangu/client.ts';
import { DAYU_MASTER_SERVICE, dayuMasterService } from '../contract.ts';
import type { MasterContext, RolloutPort } from './context.ts';
import { masterHandlers } from './handlers.ts';
import { listNodes } from './nodes.ts';
import { tellMetrics } from './tell-metrics.ts';

export interface DayuMasterPorts {
  workflows: RolloutPort;
  log?: Logger;
}

/** It is asked a few times a minute. */
const CONNECTIONS_MAX = 4;

/** Role `dayu-master`; infra gives it the port to the workflow engine. All state is in Postgres, so any number of them may run. */
export async function startDayuMaster(config: RoleConfig, ports: DayuMasterPorts): Promise<RunningRole> {
  if (!config.databaseUrl) throw new Error('role dayu-master needs databaseUrl');
  const { workflows, log = createLogger({ role: DAYU_MASTER_SERVICE }) } = ports;
  const instance = newId('dayu');
  const { cluster } = config;
  const { nuwa, kuafu, leave } = await joinCluster({ cluster, nuwa: config.nuwa, creator: instance, identity: config.identity, log });
  const database = openDatabase(config.databaseUrl, { connectionsMax: CONNECTIONS_MAX });
  const pangu = createPangu({ cluster, kuafu, nuwa, log });
  const context: MasterContext = { db: database.db, workflows, pangu, nodes: () => listNodes(nuwa), log };
  const stopTelling = tellMetrics({ db: database.db, clock: systemClock, log });
  const server = await serve({
    address: config.listen,
    implementations: [implement(dayuMasterService, masterHandlers(context))],
    guard: config.guard ?? 'none',
    cluster,
    log,
  });
  const registration = await nuwa.register(DAYU_MASTER_SERVICE, instance, { address: server.address, pid: process.pid });
  log.info({ address: server.address, instance }, 'dayu-master.started');

  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await registration.unregister().catch(() => {});
    await server.close();
    stopTelling();
    await pangu.close();
    await leave();
    await database.close();
  };
  return { address: server.address, stop: () => (stopping ??= stop()) };
}
