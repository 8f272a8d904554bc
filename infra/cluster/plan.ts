/**
 * How each role's process of a local cluster is started: a pure function of what was found and chosen. The launcher carries it out.
 */
import type { MachineFiles } from '../../services/zhongkui/client.ts';
import type { SecurityConfig } from '../../services/zhongkui/contract.ts';
import { OPTIONAL_ROLES, ROLE_NEEDS, type RoleName } from '../roles.ts';
import type { Layout } from './layout.ts';
import { membersText, type NuwaServer } from './nuwa-servers.ts';
import type { ClusterShape } from './options.ts';
import { type ProcessSpec, processName } from './process-run.ts';

export interface PlanInput {
  layout: Layout;
  shape: ClusterShape;
  /** How a role's process is started: program and first arguments. */
  entry: { command: string; args: readonly string[] };
  /** What every process gets. */
  env: Readonly<Record<string, string | undefined>>;
  nuwaServers: readonly NuwaServer[];
  /** Who each process is and whom it trusts, by its name. */
  security: ReadonlyMap<string, SecurityConfig>;
  /** What all show each other, if they speak TLS. */
  tls?: MachineFiles;
  /** One for each process of any other role, by its name. */
  ports: ReadonlyMap<string, number>;
  /** What roles that speak with Temporal get. */
  temporalEnv: Readonly<Record<string, string | undefined>>;
  /** Known once Postgres is set up; nobody gets it who keeps no tables. */
  databaseUrl?: string;
  /** What Shennong tells Prometheus to scrape beyond our own processes. */
  scrape?: string;
}

/** The name of Shennong's HTTP port among the ports. */
export const SHENNONG_HTTP = 'shennong-http';

/** Stopped in this order, lower first: those who use others before those who are used. */
export const STOP_TIERS = { watching: -1, work: 0, storage: 1, coordination: 2, engines: 3 } as const;

const STOP_TIER: Record<RoleName, number> = {
  worker: STOP_TIERS.work,
  tubo: STOP_TIERS.work,
  'fuxi-master': STOP_TIERS.work,
  shennong: STOP_TIERS.work,
  'dayu-master': STOP_TIERS.work,
  'pangu-master': STOP_TIERS.storage,
  'pangu-chunk': STOP_TIERS.storage,
  zhongkui: STOP_TIERS.storage,
  // Others call through it to the end.
  'kuafu-proxy': STOP_TIERS.coordination,
  nuwa: STOP_TIERS.coordination,
};

/** Where each role but Nuwa runs, of those that every cluster needs: once in the cluster, or once on each node. The authority only where there are certificates. */
export function placesOf(shape: ClusterShape): { role: RoleName; node?: { id: string; rack: string } }[] {
  const isPlayed = (role: RoleName): boolean =>
    role !== 'nuwa' && !OPTIONAL_ROLES.includes(role) && (role !== 'zhongkui' || shape.tls === true);
  const roles = (Object.keys(ROLE_NEEDS) as RoleName[]).filter(isPlayed);
  return roles.flatMap((role) => (ROLE_NEEDS[role].node ? shape.nodes.map((node) => ({ role, node })) : [{ role }]));
}

export function roleSpec(input: PlanInput, role: RoleName, node?: { id: string; rack: string }): ProcessSpec {
  const { layout, shape, nuwaServers, ports } = input;
  const scheme = schemeOf(input);
  const needs = ROLE_NEEDS[role];
  return {
    ...common(input, role),
    ...(node ? { node: node.id } : {}),
    env: {
      ...commonEnv(input, processName(role, node?.id)),
      FEITIAN_DATA: layout.dataOf(role, node?.id),
      FEITIAN_LISTEN: `${scheme}://127.0.0.1:${ports.get(processName(role, node?.id))}`,
      ...(needs.nuwa ? { FEITIAN_NUWA: nuwaServers.map(({ port }) => `${scheme}://127.0.0.1:${port}`).join(',') } : {}),
      ...(needs.database ? { FEITIAN_DATABASE_URL: input.databaseUrl } : {}),
      ...(needs.temporal ? input.temporalEnv : {}),
      ...(role === 'worker' && shape.requireSubmitter ? { FEITIAN_REQUIRE_SUBMITTER: 'on' } : {}),
      ...(role === 'shennong' ? { FEITIAN_HTTP: `127.0.0.1:${ports.get(SHENNONG_HTTP)}`, FEITIAN_SCRAPE: input.scrape } : {}),
      ...(node && role === 'pangu-chunk' ? disksEnv(input, node.id) : {}),
      ...(node
        ? {
            FEITIAN_NODE: node.id,
            FEITIAN_RACK: node.rack,
            FEITIAN_CPU: `${shape.cpuPerNode}`,
            FEITIAN_MEMORY_MIB: `${shape.memoryMiBPerNode}`,
          }
        : {}),
    },
    log: layout.logOf(role, node?.id),
  };
}

/** One server of the group. */
export function nuwaSpec(input: PlanInput, { id, port, zookeeperPort }: NuwaServer): ProcessSpec {
  const { layout, nuwaServers } = input;
  return {
    ...common(input, 'nuwa'),
    instance: id,
    env: {
      ...commonEnv(input, processName('nuwa', id)),
      FEITIAN_DATA: layout.dataOfNuwa(id),
      FEITIAN_LISTEN: `${schemeOf(input)}://127.0.0.1:${port}`,
      FEITIAN_NUWA_ID: id,
      FEITIAN_NUWA_MEMBERS: membersText(nuwaServers, schemeOf(input)),
      FEITIAN_ZOOKEEPER: `127.0.0.1:${zookeeperPort}`,
    },
    log: layout.logOf(id),
  };
}

function common({ entry }: PlanInput, role: RoleName) {
  return {
    role,
    command: entry.command,
    args: [...entry.args, 'run', role],
    ready: 'message' as const,
    stopSignal: 'SIGTERM' as const,
    stopTier: STOP_TIER[role],
  };
}

function commonEnv({ env, layout, shape, security, tls }: PlanInput, name: string): ProcessSpec['env'] {
  const { identityFile, trustFile } = security.get(name)!;
  return {
    ...env,
    FEITIAN_DIR: layout.dir,
    FEITIAN_CLUSTER: shape.name,
    FEITIAN_IDENTITY: identityFile,
    FEITIAN_HTTP_TOKEN_FILE: layout.httpTokenFile,
    FEITIAN_TRUST: trustFile,
    ...(tls ? { FEITIAN_TLS_CERTIFICATE: tls.certificateFile, FEITIAN_TLS_KEY: tls.keyFile } : {}),
  };
}

/** Threads for file operations that each disk of a chunk server keeps busy: one that is slow is not to hold up the others. */
const THREADS_OF_DISK = 4;

function disksEnv({ layout, shape }: PlanInput, node: string): ProcessSpec['env'] {
  if (shape.disks === undefined) return {};
  const disks = layout.disksOf(node, shape.disks);
  return { FEITIAN_DISKS: disks.join(','), UV_THREADPOOL_SIZE: `${4 + THREADS_OF_DISK * (disks.length - 1)}` };
}

const schemeOf = ({ tls }: PlanInput): 'tcp' | 'tls' => (tls ? 'tls' : 'tcp');
