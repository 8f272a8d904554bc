import { systemClock } from '../base/clock.ts';
import { openDatabase } from '../base/database.ts';
import { newId } from '../base/ids.ts';
import { createLogger, type Logger } from '../base/log.ts';
import { createMetrics, type Sample, tellWhenAsked } from '../base/metrics.ts';
import type { RoleConfig, RunningRole } from '../base/role.ts';
import { NODES_PATH, TUBO_SERVICE } from '../fuxi/contract.ts';
import { implement, serve } from '../kuafu/server.ts';
import { joinCluster } from '../nuwa/client.ts';
import { SERVICES_PATH, serviceInfoSchema } from '../nuwa/contract.ts';
import { countWorkflows } from './background/count-workflows.ts';
import { forgetOld } from './background/forget-old.ts';
import type { ShennongContext } from './context.ts';
import { METRICS_SERVICE, SHENNONG_SERVICE, shennongService, type WorkflowCounter } from './contract.ts';
import { parseFixedTargets, type TargetProcess, targetGroups } from './core/targets.ts';
import { followChildren } from './follow.ts';
import { serveHttp } from './http.ts';
import { readHttpToken } from './http-token.ts';
import { SHENNONG_METRICS } from './metrics.ts';
import { events } from './ops/events.ts';
import { routes } from './routes.ts';
import { createAnomalyStore } from './store.ts';

export interface ShennongPorts {
  workflows: WorkflowCounter;
  /** Targets that are no processes of ours, `<role>=<host>:<port>` with commas between. @default none */
  scrape?: string | undefined;
  log?: Logger;
  /** How often workflows are counted. @default 10_000 */
  countMs?: number;
}

/** Role `shennong`; infra gives it the port to the workflow engine. The tables must be there. */
export async function startShennong(config: RoleConfig, ports: ShennongPorts): Promise<RunningRole & { http: string }> {
  if (!config.databaseUrl) throw new Error('role shennong needs databaseUrl');
  const log = ports.log ?? createLogger({ role: SHENNONG_SERVICE });
  const fixed = parseFixedTargets(ports.scrape ?? '');
  if (typeof fixed === 'string') throw new Error(`FEITIAN_SCRAPE: ${fixed}`);

  const instance = newId(SHENNONG_SERVICE);
  const database = openDatabase(config.databaseUrl, { connectionsMax: 4 });
  const cluster = await joinCluster({ cluster: config.cluster, nuwa: config.nuwa, creator: instance, identity: config.identity, log });
  const closing = new AbortController();
  const following = { log, signal: closing.signal };
  const [processes, nodes, tubos] = await Promise.all(
    [`${SERVICES_PATH}/${METRICS_SERVICE}`, NODES_PATH, `${SERVICES_PATH}/${TUBO_SERVICE}`].map((path) =>
      followChildren(cluster.nuwa, path, following),
    ),
  );
  const timing = { clock: systemClock, ...following };
  const counted = countWorkflows({ workflows: ports.workflows, ...timing, ...(ports.countMs ? { intervalMs: ports.countMs } : {}) });

  const metrics = createMetrics(SHENNONG_METRICS);
  const store = createAnomalyStore(database.db);
  const targets = () => targetGroups(targetsIn(processes!), fixed);
  const context: ShennongContext = { store, targets, events: metrics.events, log };
  const untell = [
    tellWhenAsked(metrics.nodeUp, () => nodesUp(nodes!, tubos!)),
    tellWhenAsked(metrics.targets, () => [{ value: targets().length }]),
    tellWhenAsked(metrics.workflows, counted.samples),
  ];

  const token = config.httpTokenFile === undefined ? undefined : await readHttpToken(config.httpTokenFile);
  // Whether it lives is nobody's secret.
  const http = await serveHttp(config.http ?? '127.0.0.1:0', routes(context), log, { token, open: ['/healthz'] });
  const implementation = implement(shennongService, { events: (request) => events(context, request) });
  const server = await serve({
    address: config.listen,
    implementations: [implementation],
    guard: config.guard ?? 'none',
    cluster: config.cluster,
    log,
  });
  const loops = Promise.all([counted.ended, forgetOld({ store, ...timing })]);
  const registration = await cluster.nuwa.register(SHENNONG_SERVICE, instance, {
    address: server.address,
    pid: process.pid,
    attributes: { http: `http://${http.address}` },
  });
  log.info({ address: server.address, http: http.address, targets: targets().length }, 'shennong.started');

  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await registration.unregister().catch(() => {});
    closing.abort();
    for (const stopTelling of untell) stopTelling();
    await http.close();
    await server.close();
    await loops;
    await cluster.leave();
    await database.close();
  };
  return { address: server.address, http: http.address, stop: () => (stopping ??= stop()) };
}

/** What is registered there and is no service is not for Prometheus. */
function targetsIn(processes: ReadonlyMap<string, unknown>): TargetProcess[] {
  return [...processes.values()].flatMap((value) => serviceInfoSchema.safeParse(value).data ?? []);
}

function nodesUp(nodes: ReadonlyMap<string, unknown>, tubos: ReadonlyMap<string, unknown>): Sample<'node' | 'rack'>[] {
  return [...nodes].flatMap(([node, value]) => {
    const { rack, leaving } = (value ?? {}) as { rack?: unknown; leaving?: unknown };
    // One that leaves for good is not missed.
    if (leaving === true && !tubos.has(node)) return [];
    return { labels: { node, rack: typeof rack === 'string' ? rack : '' }, value: tubos.has(node) ? 1 : 0 };
  });
}
