/**
 * How each process of a local cluster is started: a pure function of what was found and chosen. The launcher carries it out.
 */
import type { MachineFiles } from '../../services/zhongkui/client.ts';
import type { SecurityConfig } from '../../services/zhongkui/contract.ts';
import { OPTIONAL_ROLES, ROLE_NEEDS, type RoleName, type RoleNeeds } from '../roles.ts';
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
  /** One for each process that plays another role alone, by its name. */
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

/** What one process of a cluster plays. */
export interface Place {
  /** What its process is called: its role, where it plays one alone. */
  name: string;
  roles: readonly RoleName[];
  node?: { id: string; rack: string };
}

/** All but Nuwa's, of those that every cluster needs: once in the cluster, or once on each node. The authority only where there are certificates. */
export function placesOf(shape: ClusterShape): Place[] {
  const isPlayed = (role: RoleName): boolean =>
    role !== 'nuwa' && !OPTIONAL_ROLES.includes(role) && (role !== 'zhongkui' || shape.tls === true);
  const roles = (Object.keys(ROLE_NEEDS) as RoleName[]).filter(isPlayed);
  if (!shape.together)
    return roles.flatMap((role) => {
      const place = { name: role, roles: [role] };
      return ROLE_NEEDS[role].node ? shape.nodes.map((node) => ({ ...place, node })) : [place];
    });
  // The authority's process holds its key, so it is nobody else's.
  const masters = roles.filter((role) => !ROLE_NEEDS[role].node && role !== 'zhongkui');
  const ofNode = roles.filter((role) => ROLE_NEEDS[role].node);
  return [
    { name: 'masters', roles: masters },
    ...(roles.includes('zhongkui') ? [{ name: 'zhongkui', roles: ['zhongkui'] as const }] : []),
    ...shape.nodes.map((node) => ({ name: 'node', roles: ofNode, node })),
  ];
}

/** Whether any of the roles can't do without it. */
export const needOf = (roles: readonly RoleName[], what: keyof RoleNeeds): boolean => roles.some((role) => ROLE_NEEDS[role][what]);

export function placeSpec(input: PlanInput, { name, roles, node }: Place): ProcessSpec {
  const { layout, shape, nuwaServers, ports } = input;
  const scheme = schemeOf(input);
  const [role] = roles;
  const alone = roles.length === 1 ? role : undefined;
  // Several have each a directory of their own in it, the same as alone, and ports as they come.
  const data = alone ? layout.dataOf(alone, node?.id) : node ? layout.nodeDirectory(node.id) : layout.dir;
  const port = alone ? ports.get(processName(alone, node?.id)) : 0;
  return {
    ...common(input, name, roles),
    ...(node ? { node: node.id } : {}),
    env: {
      ...commonEnv(input, processName(name, node?.id)),
      FEITIAN_DATA: data,
      FEITIAN_LISTEN: `${scheme}://127.0.0.1:${port}`,
      ...(needOf(roles, 'nuwa') ? { FEITIAN_NUWA: nuwaServers.map(({ port }) => `${scheme}://127.0.0.1:${port}`).join(',') } : {}),
      ...(needOf(roles, 'database') ? { FEITIAN_DATABASE_URL: input.databaseUrl } : {}),
      ...(needOf(roles, 'temporal') ? input.temporalEnv : {}),
      ...(roles.includes('worker') && shape.requireSubmitter ? { FEITIAN_REQUIRE_SUBMITTER: 'on' } : {}),
      ...(roles.includes('shennong') ? { FEITIAN_HTTP: `127.0.0.1:${ports.get(SHENNONG_HTTP)}`, FEITIAN_SCRAPE: input.scrape } : {}),
      ...(node && roles.includes('pangu-chunk') ? disksEnv(input, node.id) : {}),
      ...(node
        ? {
            FEITIAN_NODE: node.id,
            FEITIAN_RACK: node.rack,
            FEITIAN_CPU: `${shape.cpuPerNode}`,
            FEITIAN_MEMORY_MIB: `${shape.memoryMiBPerNode}`,
          }
        : {}),
    },
    log: layout.logOf(name, node?.id),
  };
}

/** One server of the group. */
export function nuwaSpec(input: PlanInput, { id, port, zookeeperPort }: NuwaServer): ProcessSpec {
  const { layout, nuwaServers } = input;
  return {
    ...common(input, 'nuwa', ['nuwa']),
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

function common({ entry }: PlanInput, name: string, roles: readonly RoleName[]) {
  return {
    role: name,
    command: entry.command,
    args: [...entry.args, 'run', ...roles],
    ready: 'message' as const,
    stopSignal: 'SIGTERM' as const,
    // Within a process the last that was started is the first to stop: those who use others come last in the list of roles.
    stopTier: Math.max(...roles.map((role) => STOP_TIER[role])),
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
