import { join } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { createLogger, type Logger } from '../../base/log.ts';
import type { RoleConfig, RunningRole, StartRole } from '../../base/role.ts';
import type { KuafuClient } from '../../kuafu/contract.ts';
import { implement, serve } from '../../kuafu/server.ts';
import { joinCluster } from '../../nuwa/client.ts';
import type { Registration, ServiceInfo } from '../../nuwa/contract.ts';
import { CHUNK_SERVICE, chunkServerService } from '../chunk-contract.ts';
import { MASTER_SERVICE, masterService } from '../master-contract.ts';
import { type TicketKey, Tickets } from '../tickets.ts';
import { startSpaceReports } from './background/report-space.ts';
import { ChunkStore } from './chunk-store.ts';
import type { Attributes, ChunkServerContext } from './context.ts';
import { Draining } from './draining.ts';
import { append } from './ops/append.ts';
import { chunkState } from './ops/chunk-state.ts';
import { copy } from './ops/copy.ts';
import { deleteChunks } from './ops/delete.ts';
import { list } from './ops/list.ts';
import { read } from './ops/read.ts';
import { seal } from './ops/seal.ts';
import { setDraining } from './ops/set-draining.ts';
import { verify } from './ops/verify.ts';
import { ChunkPermission } from './permission.ts';
import { randomHandlers } from './random/ops.ts';
import { RandomStore } from './random/random-store.ts';
import { tellChunkServer } from './tell.ts';

export interface ChunkServerOptions {
  /** How often free space is looked at. @default 3_000 */
  reportMs?: number;
  log?: Logger;
}

export async function startChunkServer(config: RoleConfig, options: ChunkServerOptions = {}): Promise<RunningRole> {
  if (!config.node) throw new Error('role pangu-chunk needs a node');
  const { id: node, rack } = config.node;
  const log = options.log ?? createLogger({ role: CHUNK_SERVICE, node });
  const store = await ChunkStore.open(config.dataDir);
  const random = await RandomStore.open(join(config.dataDir, 'random'), { log });
  const cluster = await joinCluster({
    cluster: config.cluster,
    nuwa: config.nuwa,
    creator: `${CHUNK_SERVICE}/${node}`,
    identity: config.identity,
    log,
  });
  const draining = await Draining.open(config.dataDir);
  const space = await store.space();
  let attributes: Attributes = { ...space, draining: draining.on };
  let registration: Registration | undefined;
  const infoNow = (): ServiceInfo => ({ address: server.address, node, rack, pid: process.pid, attributes });
  const context: ChunkServerContext = {
    node,
    store,
    random,
    draining,
    announce: async (changed) => {
      attributes = { ...attributes, ...changed };
      await registration?.update(infoNow());
    },
    ...(config.guard ? { permission: askTickets(config.cluster, cluster.kuafu) } : {}),
    chunkServerAt: (address) => cluster.kuafu.service(chunkServerService, address),
    log,
  };
  const telling = tellChunkServer(store);
  const server = await serve({
    address: config.listen,
    guard: config.guard ?? 'none',
    cluster: config.cluster,
    log,
    implementations: [
      implement(chunkServerService, {
        append: (request, call) => append(context, request, call),
        seal: (request, call) => seal(context, request, call),
        chunkState: (request, call) => chunkState(context, request, call),
        copy: (request, call) => copy(context, request, call),
        setDraining: (request) => setDraining(context, request),
        read: (request, call) => read(context, request, call),
        verify: (request) => verify(context, request),
        delete: (request) => deleteChunks(context, request),
        list: (request) => list(context, request),
        ...randomHandlers(context),
      }),
    ].map((implementation) => telling.outcomes.counted(implementation)),
  });
  registration = await cluster.nuwa.register(CHUNK_SERVICE, node, infoNow());
  const reports = startSpaceReports({ announce: context.announce, freeBytes: space.freeBytes, store, log, reportMs: options.reportMs });
  log.info({ address: server.address, rack }, 'chunk-server.started');

  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await reports.stop();
    await registration?.unregister().catch(() => {});
    await server.close();
    await cluster.leave();
    telling.stop();
    await store.close();
    await random.close();
  };
  return { address: server.address, stop: () => (stopping ??= stop()) };
}

function askTickets(cluster: string, kuafu: KuafuClient): ChunkPermission {
  const masters = kuafu.service(masterService, `nuwa://${cluster}/${MASTER_SERVICE}/`);
  const fetchKeys = async (): Promise<TicketKey[]> => (await masters.ticketKeys({})).keys;
  return new ChunkPermission({ cluster, tickets: new Tickets(), fetchKeys, clock: systemClock });
}

export const start: StartRole = (config) => startChunkServer(config);
