import { systemClock } from '../../base/clock.ts';
import { openDatabase } from '../../base/database.ts';
import { newId } from '../../base/ids.ts';
import { createLogger, type Logger } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import type { RoleConfig, RunningRole, StartRole } from '../../base/role.ts';
import { implement, serve } from '../../kuafu/server.ts';
import { connectNuwa, joinCluster } from '../../nuwa/client.ts';
import { chunkServersAt } from '../chunk-servers-at.ts';
import { MASTER_SERVICE, masterService } from '../master-contract.ts';
import { Tickets } from '../tickets.ts';
import { type GarbageOptions, startGarbageLoop } from './background/garbage.ts';
import { type LeaseOptions, startLeaseLoop } from './background/leases.ts';
import { startMeasuring } from './background/measure.ts';
import { startTrashLoop, type TrashOptions } from './background/trash.ts';
import { watchChunkServers } from './chunk-servers.ts';
import type { MasterContext } from './context.ts';
import { type ControlOptions, startControl } from './control/control.ts';
import { masterHandlers } from './handlers.ts';
import { tellMaster } from './tell.ts';
import { followTicketKeys } from './ticket-keys.ts';
import { gatherOperations, openQuickDatabase } from './together.ts';
import { watchWriters } from './writers.ts';

export interface MasterOptions {
  garbage?: GarbageOptions;
  /** `off`: this master never controls. */
  control?: ControlOptions | 'off';
  leases?: LeaseOptions;
  trash?: TrashOptions;
  measure?: { pauseMs?: number };
  log?: Logger;
}

/** The tables must be there: whoever starts roles migrates the database first. */
export async function startMaster(config: RoleConfig, options: MasterOptions = {}): Promise<RunningRole> {
  if (!config.databaseUrl) throw new Error('role pangu-master needs databaseUrl');
  const log = options.log ?? createLogger({ role: MASTER_SERVICE });
  const instance = newId('master');
  const database = openDatabase(config.databaseUrl);
  const cluster = await joinCluster({ cluster: config.cluster, nuwa: config.nuwa, creator: instance, identity: config.identity, log });
  const chunkServers = await watchChunkServers(cluster.nuwa, log);
  const writers = await watchWriters(cluster.nuwa, log);
  const tickets = config.guard && new Tickets();
  const ticketKeys = tickets && (await followTicketKeys({ db: database.db, tickets, clock: systemClock, log }));
  const alone = {
    replicaDropped: () => telling.replicaDropped(),
    cluster: config.cluster,
    db: database.db,
    ...(tickets ? { tickets } : {}),
    chunkServers,
    nuwa: cluster.nuwa,
    chunkServerAt: chunkServersAt(cluster.kuafu),
    writers,
    random: systemRandom,
    log,
  } satisfies MasterContext;
  const quick = openQuickDatabase(config.databaseUrl);
  const context: MasterContext = { ...alone, together: gatherOperations(alone, quick.db) };
  const measuring = startMeasuring(context, options.measure);
  const telling = tellMaster({ figures: measuring.figures, chunkServers });
  const implementation = telling.outcomes.counted(implement(masterService, masterHandlers(context)));
  const server = await serve({
    address: config.listen,
    implementations: [implementation],
    guard: config.guard ?? 'none',
    cluster: config.cluster,
    log,
  });
  const { cluster: name, identity } = config;
  const connectControl = () => connectNuwa({ addresses: config.nuwa, cluster: name, creator: `control of ${instance}`, identity, log });
  const garbage = startGarbageLoop(context, options.garbage);
  const trash = startTrashLoop(context, options.trash);
  const control =
    options.control === 'off' ? undefined : startControl(context, { name: instance, connect: connectControl }, options.control);
  const leases = startLeaseLoop(context, writers, options.leases);
  const registration = await cluster.nuwa.register(MASTER_SERVICE, instance, {
    address: server.address,
    node: config.node?.id,
    rack: config.node?.rack,
    pid: process.pid,
  });
  log.info({ address: server.address, instance }, 'master.started');

  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await registration.unregister().catch(() => {});
    await server.close();
    chunkServers.stop();
    writers.stop();
    ticketKeys?.stop();
    await garbage.stop();
    await trash.stop();
    await control?.stop();
    await leases.stop();
    await measuring.stop();
    telling.stop();
    await cluster.leave();
    await quick.close();
    await database.close();
  };
  return { address: server.address, stop: () => (stopping ??= stop()) };
}

export const start: StartRole = (config) => startMaster(config);
