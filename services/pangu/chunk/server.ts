import { join } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { createLogger, type Logger } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import type { RoleConfig, RunningRole, StartRole } from '../../base/role.ts';
import type { KuafuClient, ServiceClient } from '../../kuafu/contract.ts';
import { implement, serve } from '../../kuafu/server.ts';
import { joinCluster } from '../../nuwa/client.ts';
import type { Registration, ServiceInfo } from '../../nuwa/contract.ts';
import { CHUNK_SERVICE, chunkServerService } from '../chunk-contract.ts';
import { chunkServersAt } from '../chunk-servers-at.ts';
import { MASTER_SERVICE, type MasterContract, masterService } from '../master-contract.ts';
import { type TicketKey, Tickets } from '../tickets.ts';
import { type BalanceDisksOptions, startBalancingDisks } from './background/balance-disks.ts';
import { startCheckingDisks } from './background/check-disks.ts';
import { type ReportChunksOptions, startReportingChunks } from './background/report-chunks.ts';
import { spaceAttributes, startSpaceReports } from './background/report-space.ts';
import { type ScrubOptions, startScrub } from './background/scrub.ts';
import { ChunkStore } from './chunk-store.ts';
import type { Attributes, ChunkServerContext } from './context.ts';
import type { DiskCalls } from './disk.ts';
import { Draining } from './draining.ts';
import { Logs } from './log/logs.ts';
import { append } from './ops/append.ts';
import { appendBatch, appendRecords } from './ops/append-record.ts';
import { chunkState } from './ops/chunk-state.ts';
import { copy } from './ops/copy.ts';
import { deleteChunks } from './ops/delete.ts';
import { list } from './ops/list.ts';
import { localPath } from './ops/local-path.ts';
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
  /** How often each disk is looked at. @default 30_000 */
  checkMs?: number;
  balance?: BalanceDisksOptions;
  report?: ReportChunksOptions;
  /** What stands in for the disks' own calls. */
  calls?: DiskCalls;
  scrub?: ScrubOptions;
  log?: Logger;
}

export async function startChunkServer(config: RoleConfig, options: ChunkServerOptions = {}): Promise<RunningRole> {
  if (!config.node) throw new Error('role pangu-chunk needs a node');
  const { id: node, rack, machine = node } = config.node;
  const log = options.log ?? createLogger({ role: CHUNK_SERVICE, node });
  const { dataDir, disks } = config;
  const store = await ChunkStore.open({ node, cluster: config.cluster, dataDir, disks, log, calls: options.calls });
  const random = await RandomStore.open(join(config.dataDir, 'random'), { log });
  const cluster = await joinCluster({
    cluster: config.cluster,
    nuwa: config.nuwa,
    creator: `${CHUNK_SERVICE}/${node}`,
    identity: config.identity,
    log,
  });
  const draining = await Draining.open(config.dataDir);
  let attributes: Attributes = { ...spaceAttributes(store), machine, draining: draining.on };
  let registration: Registration | undefined;
  const infoNow = (): ServiceInfo => ({ address: server.address, node, rack, pid: process.pid, attributes });
  const chunkServerAt = chunkServersAt(cluster.kuafu);
  const context: ChunkServerContext = {
    node,
    store,
    logs: new Logs(store, chunkServerAt),
    random,
    draining,
    announce: async (changed) => {
      attributes = { ...attributes, ...changed };
      await registration?.update(infoNow());
    },
    ...(config.guard ? { permission: askTickets(config.cluster, cluster.kuafu) } : {}),
    chunkServerAt,
    log,
  };
  const telling = tellChunkServer(store, random);
  const server = await serve({
    address: config.listen,
    guard: config.guard ?? 'none',
    cluster: config.cluster,
    log,
    implementations: [
      implement(chunkServerService, {
        append: (request, call) => append(context, request, call),
        seal: (request, call) => seal(context, request, call),
        appendRecords: (request, call) => appendRecords(context, request, call),
        appendBatch: (request, call) => appendBatch(context, request, call),
        chunkState: (request, call) => chunkState(context, request, call),
        copy: (request, call) => copy(context, request, call),
        setDraining: (request) => setDraining(context, request),
        read: (request, call) => read(context, request, call),
        localPath: (request, call) => localPath(context, request, call),
        verify: (request) => verify(context, request),
        delete: (request) => deleteChunks(context, request),
        list: (request) => list(context, request),
        ...randomHandlers(context),
      }),
    ].map((implementation) => telling.outcomes.counted(implementation)),
  });
  registration = await cluster.nuwa.register(CHUNK_SERVICE, node, infoNow());
  const reports = startSpaceReports({ announce: context.announce, store, clock: systemClock, log, reportMs: options.reportMs });
  const masters = mastersOf(config.cluster, cluster.kuafu);
  const ofDisks = [
    startCheckingDisks({ store, clock: systemClock, log }, options.checkMs),
    startBalancingDisks({ store, clock: systemClock, log }, options.balance),
    startReportingChunks({ node, store, masters, clock: systemClock, log }, options.report),
    startScrub({
      store,
      random,
      report: async ({ chunk }) => void (await masters.reportReplicas({ node, lost: [], bad: [chunk] })),
      beginAt: systemRandom.next(),
      log,
      scrub: options.scrub,
    }),
  ];
  log.info({ address: server.address, rack }, 'chunk-server.started');

  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await Promise.all([reports, ...ofDisks].map((loop) => loop.stop()));
    await registration?.unregister().catch(() => {});
    await server.close();
    await cluster.leave();
    telling.stop();
    await store.close();
    await random.close();
  };
  return { address: server.address, stop: () => (stopping ??= stop()) };
}

function mastersOf(cluster: string, kuafu: KuafuClient): ServiceClient<MasterContract> {
  return kuafu.service(masterService, `nuwa://${cluster}/${MASTER_SERVICE}/`);
}

function askTickets(cluster: string, kuafu: KuafuClient): ChunkPermission {
  const fetchKeys = async (): Promise<TicketKey[]> => (await mastersOf(cluster, kuafu).ticketKeys({})).keys;
  return new ChunkPermission({ cluster, tickets: new Tickets(), fetchKeys, clock: systemClock });
}

export const start: StartRole = (config) => startChunkServer(config);
