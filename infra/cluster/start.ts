/**
 * The start of a cluster, whole: what comes after what, and what side by side.
 *
 *     postgres ──► tables ──► pangu-master, dayu-master, shennong   everybody but nuwa waits for nuwa, and for temporal
 *     temporal ─────────────► fuxi-master, worker                   who is right of it, dayu-master, shennong and tubo
 *     nuwa ─────────────────► tubo, pangu-chunk, zhongkui
 *
 * Prometheus, Alertmanager and Grafana need nobody to start, only the addresses.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../services/base/errors.ts';
import type { TemporalConfig } from '../../services/base/role.ts';
import type { SecurityConfig } from '../../services/zhongkui/contract.ts';
import { ClusterError } from '../errors.ts';
import type { RoleName } from '../roles.ts';
import { lastLines } from '../setup/run-program.ts';
import { ensureTemporalCli } from '../setup/temporal.ts';
import { temporalFromEnvironment } from '../temporal-config.ts';
import type { ClusterInfo } from './cluster-file.ts';
import type { Layout } from './layout.ts';
import { LAUNCH_ID_VARIABLE } from './leftovers.ts';
import { type Monitoring, startMonitoring } from './monitoring.ts';
import {
  type NuwaServer,
  newNuwaServers,
  readNuwaServers,
  settledNuwaServers,
  type WantedServers,
  writeNuwaServers,
} from './nuwa-servers.ts';
import type { ClusterShape } from './options.ts';
import { ownPassword } from './own-password.ts';
import { needOf, nuwaSpec, type Place, type PlanInput, placeSpec, placesOf, SHENNONG_HTTP, STOP_TIERS } from './plan.ts';
import { freePort, isFree, wantedPort } from './ports.ts';
import { awaitPostgres, checkDatabase, postgresCommand, postgresEnvironment, postgresUrl, preparePostgres } from './postgres.ts';
import { processName } from './process-run.ts';
import type { StartContext } from './start-context.ts';
import { awaitTemporal, registerSearchAttributes, type TemporalPorts, temporalCommand } from './temporal.ts';

const ENTRY = fileURLToPath(new URL('../bin/feitian.mjs', import.meta.url));

/** What became of it, and what it takes to change it later. */
export interface StartedCluster {
  info: Omit<ClusterInfo, 'processes'>;
  /** Starts all that runs on one node more. */
  startNode(node: ClusterNode): Promise<void>;
  /** Of a node's processes, whether they run or not. */
  portsOf(node: string): number[];
}

type ClusterNode = ClusterShape['nodes'][number];

export async function startEverything(context: StartContext): Promise<StartedCluster> {
  const { layout, shape, step, tls } = context;
  const env = ownEnvironment(context.launchId);
  const places = placesOf(shape);
  await makePrivateDirectories(layout, places);
  await ownPassword(layout.httpTokenFile);
  const nuwaServers = await ownNuwaServers(context);
  const ports = await rolePorts(context, places);
  const security = new Map<string, SecurityConfig>();
  await secure(context, security, [
    ...nuwaServers.map(({ id }) => [processName('nuwa', id), ['nuwa']] as const),
    ...places.map(nameAndRoles),
  ]);
  const plan: PlanInput = {
    layout,
    shape,
    entry: { command: process.execPath, args: [ENTRY] },
    env,
    nuwaServers,
    security,
    ...(tls ? { tls } : {}),
    ports,
    temporalEnv: {},
  };

  const databaseReady = startDatabase(context, env);
  const temporalReady = startTemporal(context, env);
  const nuwaReady = step(
    nuwaServers.length > 1 ? `nuwa × ${nuwaServers.length}` : 'nuwa',
    () => Promise.all(nuwaServers.map((server) => context.start(nuwaSpec(plan, server)))),
    () => kuafuOf(nuwaServers, tls !== undefined).join(', '),
  );
  const tablesReady = databaseReady.then((url) => step('database tables', () => migrate(url)));

  const inputOf = async (roles: readonly RoleName[]): Promise<PlanInput> => {
    await nuwaReady;
    const database = needOf(roles, 'database');
    if (database) await tablesReady;
    return {
      ...plan,
      ...(database ? { databaseUrl: await databaseReady } : {}),
      ...(needOf(roles, 'temporal') ? { temporalEnv: (await temporalReady).env, scrape: (await temporalReady).scrape } : {}),
    };
  };
  const startAll = async (name: string): Promise<void> => {
    const ofName = places.filter((place) => place.name === name);
    const input = await inputOf(ofName[0]!.roles);
    const title = ofName.length > 1 ? `${name} × ${ofName.length}` : name;
    await step(title, () => Promise.all(ofName.map((place) => context.start(placeSpec(input, place)))));
  };
  const names = new Set(places.map(({ name }) => name));
  const watching = startWatching(context, plan, temporalReady);
  await Promise.all([tablesReady, temporalReady, watching, ...[...names].map(startAll)]);

  const startNode = async (node: ClusterNode): Promise<void> => {
    const ofNode = placesOf({ ...shape, nodes: [node] }).filter((place) => place.node);
    await makePrivateDirectories(layout, ofNode);
    for (const [name, port] of await rolePorts(context, ofNode)) ports.set(name, port);
    await secure(context, security, ofNode.map(nameAndRoles));
    await Promise.all(ofNode.map(async (place) => context.start(placeSpec(await inputOf(place.roles), place))));
  };
  const portsOf = (node: string): number[] => [...ports].filter(([name]) => name.endsWith(`/${node}`)).map(([, port]) => port);

  const { config, ui } = await temporalReady;
  const info = {
    name: shape.name,
    temporal: { address: config.address, namespace: config.namespace, ...(ui ? { ui } : {}) },
    postgres: { url: await databaseReady },
    nuwa: {
      kuafu: kuafuOf(nuwaServers, tls !== undefined),
      zookeeper: nuwaServers.map(({ zookeeperPort }) => `127.0.0.1:${zookeeperPort}`),
    },
    nodes: shape.nodes,
    ...(await watching),
    admin: { keyFile: layout.adminKey },
    ...(tls ? { tls } : {}),
    ...(shape.requireSubmitter ? { requireSubmitter: true } : {}),
  };
  return { info, startNode, portsOf };
}

const kuafuOf = (servers: readonly NuwaServer[], tls: boolean): string[] =>
  servers.map(({ port }) => `${tls ? 'tls://' : ''}127.0.0.1:${port}`);

/** Those of the directory, or new ones, which are the directory's from now on. */
async function ownNuwaServers({ layout, shape, ports, note }: StartContext): Promise<NuwaServer[]> {
  const { nuwaServers: count, ports: given } = shape;
  const wanted: WantedServers = {
    ...(count ? { count } : {}),
    ...(given.nuwa ? { port: given.nuwa } : {}),
    ...(given.zookeeper ? { zookeeperPort: given.zookeeper } : {}),
  };
  const known = await readNuwaServers(layout.nuwaFile);
  if (known && count !== undefined && known.length !== count)
    note('nuwa', `a group of ${known.length}, as this directory's began, not of ${count}`);
  const servers = known ? await settledNuwaServers(known, wanted, wantedPort, isFree) : await newNuwaServers(wanted, wantedPort);
  writeNuwaServers(layout.nuwaFile, servers);
  for (const { id, port, zookeeperPort } of servers) {
    await mkdir(layout.dataOfNuwa(id), { recursive: true, mode: 0o700 });
    for (const each of [port, zookeeperPort]) ports.add(each);
  }
  return servers;
}

async function startWatching(
  context: StartContext,
  { ports, env }: PlanInput,
  temporalReady: Promise<StartedTemporal>,
): Promise<Monitoring> {
  if (!context.shape.monitoring) return {};
  const { config, ui } = await temporalReady;
  const temporal = { namespace: config.namespace, ...(ui ? { ui } : {}) };
  return await startMonitoring(context, { shennong: `127.0.0.1:${ports.get(SHENNONG_HTTP)}`, temporal, env });
}

/** @returns the URL. */
async function startDatabase({ layout, shape, ports, step, start }: StartContext, env: Environment): Promise<string> {
  const given = process.env.FEITIAN_DATABASE_URL;
  if (given)
    return await step(
      'postgres',
      () => checkDatabase(given).then(() => given),
      () => 'the one of FEITIAN_DATABASE_URL',
    );
  const port = await wantedPort(shape.ports.postgres, 'Postgres');
  ports.add(port);
  const work = async (): Promise<string> => {
    const home = await preparePostgres(layout.dir);
    await start({
      role: 'postgres',
      ...postgresCommand(home, port),
      env: { ...postgresEnvironment(), [LAUNCH_ID_VARIABLE]: env[LAUNCH_ID_VARIABLE] },
      ...(home.programs.runAs ? { runAs: home.programs.runAs } : {}),
      log: layout.logOf('postgres'),
      ready: (signal) => awaitPostgres(home, port, signal),
      // Ends sessions and then itself; SIGTERM would wait for the sessions' ends.
      stopSignal: 'SIGINT',
      stopTier: STOP_TIERS.engines,
    });
    return postgresUrl(home, port);
  };
  return await step('postgres', work, () => `127.0.0.1:${port}`);
}

async function migrate(url: string): Promise<void> {
  const { migrateDatabase } = await import('../database.ts');
  await migrateDatabase(url);
}

interface StartedTemporal {
  config: TemporalConfig;
  ui?: string;
  /** For roles that speak with it. */
  env: Environment;
  /** Its own metrics, for Prometheus; nobody knows those of a server that is somebody else's. */
  scrape: string;
}

async function startTemporal({ layout, shape, ports, step, start }: StartContext, env: Environment): Promise<StartedTemporal> {
  const existing = await temporalFromEnvironment(process.env, layout.keys);
  if (existing) {
    await step(
      'temporal',
      () => registerSearchAttributes(existing),
      () => `${existing.address}, the one of TEMPORAL_ADDRESS`,
    );
    const ui = process.env.FEITIAN_TEMPORAL_UI;
    const settings = Object.entries(process.env).filter(([name]) => name.startsWith('TEMPORAL_'));
    return { config: existing, ...(ui ? { ui } : {}), env: Object.fromEntries(settings), scrape: '' };
  }

  const cli = await step('temporal CLI', ensureTemporalCli, ({ path, source }) => `${path} (${source})`);
  const namespace = process.env.TEMPORAL_NAMESPACE || 'default';
  const own: TemporalPorts = {
    grpc: await wantedPort(shape.ports.temporal, 'Temporal'),
    ui: await wantedPort(shape.ports.temporalUi, "Temporal's Web UI"),
    http: await freePort(),
    metrics: await freePort(),
  };
  for (const port of Object.values(own)) ports.add(port);
  const config: TemporalConfig = { address: `127.0.0.1:${own.grpc}`, namespace };
  const ui = `http://127.0.0.1:${own.ui}`;
  const work = async (): Promise<void> => {
    await start({
      role: 'temporal',
      ...(await temporalCommand(cli.path, join(layout.dir, 'temporal', 'temporal.db'), namespace, own)),
      env,
      log: layout.logOf('temporal'),
      ready: (signal) => awaitTemporal(own, namespace, signal),
      stopSignal: 'SIGTERM',
      stopTier: STOP_TIERS.engines,
    });
  };
  await step('temporal', work, () => `${config.address}, Web UI ${ui}`);
  // A file that isn't there, so that no profile from the user's home is taken for this server's.
  const noProfiles = join(layout.dir, 'temporal', 'profiles.toml');
  const clientEnv = { TEMPORAL_ADDRESS: config.address, TEMPORAL_NAMESPACE: namespace, TEMPORAL_CONFIG_FILE: noProfiles };
  return { config, ui, env: clientEnv, scrape: `temporal=127.0.0.1:${own.metrics}` };
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Ours without what is meant for this process alone: settings of one role, of one Temporal client, of a test runner. */
function ownEnvironment(launchId: string): Environment {
  const kept = Object.entries(process.env).filter(([name]) => name === 'FEITIAN_LOG_LEVEL' || !/^(FEITIAN|TEMPORAL|VITEST)/.test(name));
  return { ...Object.fromEntries(kept), [LAUNCH_ID_VARIABLE]: launchId };
}

/** The cluster's own directory may have to let the user of Postgres pass; these let nobody. */
async function makePrivateDirectories({ dir, dataOf }: Layout, places: readonly Place[]): Promise<void> {
  const ofRoles = places.flatMap(({ roles, node }) => roles.map((role) => dataOf(role, node?.id)));
  const own = [join(dir, 'nodes'), join(dir, 'temporal'), ...ofRoles];
  for (const directory of own) await mkdir(directory, { recursive: true, mode: 0o700 });
}

/** Gives each process its key and token. */
async function secure(
  { identities }: StartContext,
  security: Map<string, SecurityConfig>,
  processes: (readonly [name: string, roles: readonly RoleName[]])[],
): Promise<void> {
  for (const [name, roles] of processes) security.set(name, await identities.ofProcess(name, roles));
}

const nameAndRoles = ({ name, roles, node }: Place) => [processName(name, node?.id), roles] as const;

/** Those who play several take ports as they come: whoever looks for them asks Nuwa. */
async function rolePorts({ ports }: StartContext, places: readonly Place[]): Promise<Map<string, number>> {
  const byName = new Map<string, number>();
  for (const { name, roles, node } of places) {
    if (roles.length > 1) continue;
    const port = await freePort();
    ports.add(port);
    byName.set(processName(name, node?.id), port);
  }
  if (places.some(({ roles }) => roles.includes('shennong'))) {
    byName.set(SHENNONG_HTTP, await freePort());
    ports.add(byName.get(SHENNONG_HTTP)!);
  }
  return byName;
}

/** What a person needs to know of a failed start: which step, why, and the end of the log if there is one. */
export async function describeFailure(error: unknown): Promise<{ step: string; reason: string; log?: string; tail?: string }> {
  const { step = 'start', log } = (error instanceof ClusterError ? error.details : {}) as { step?: string; log?: string };
  const reason = error instanceof ClusterError ? error.reason : messageOf(error);
  if (!log) return { step, reason };
  const text = await readFile(log, 'utf8').catch(() => '');
  return { step, reason, log, tail: lastLines(text, 8) };
}
