/**
 * How each role's process of a local cluster is started: a pure function of what was found and chosen. The launcher carries it out.
 */
import { ROLE_NEEDS, type RoleName } from '../roles.ts';
import type { Layout } from './layout.ts';
import type { ClusterShape } from './options.ts';
import { type ProcessSpec, processName } from './process-run.ts';

export interface PlanInput {
  layout: Layout;
  shape: ClusterShape;
  /** How a role's process is started: program and first arguments. */
  entry: { command: string; args: readonly string[] };
  /** What every process gets. */
  env: Readonly<Record<string, string | undefined>>;
  /** One for each process of a role, by its name. */
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
  nuwa: STOP_TIERS.coordination,
};

/** Where each role runs: once in the cluster, or once on each node. */
export function placesOf(shape: ClusterShape): { role: RoleName; node?: { id: string; rack: string } }[] {
  const roles = Object.keys(ROLE_NEEDS) as RoleName[];
  return roles.flatMap((role) => (ROLE_NEEDS[role].node ? shape.nodes.map((node) => ({ role, node })) : [{ role }]));
}

export function roleSpec(input: PlanInput, role: RoleName, node?: { id: string; rack: string }): ProcessSpec {
  const { layout, shape, entry, ports } = input;
  const needs = ROLE_NEEDS[role];
  return {
    role,
    ...(node ? { node: node.id } : {}),
    command: entry.command,
    args: [...entry.args, 'run', role],
    env: {
      ...input.env,
      FEITIAN_DIR: layout.dir,
      FEITIAN_CLUSTER: shape.name,
      FEITIAN_DATA: layout.dataOf(role, node?.id),
      FEITIAN_LISTEN: `tcp://127.0.0.1:${ports.get(processName(role, node?.id))}`,
      ...(needs.nuwa ? { FEITIAN_NUWA: `tcp://127.0.0.1:${ports.get('nuwa')}` } : {}),
      ...(needs.database ? { FEITIAN_DATABASE_URL: input.databaseUrl } : {}),
      ...(needs.temporal ? input.temporalEnv : {}),
      ...(role === 'shennong' ? { FEITIAN_HTTP: `127.0.0.1:${ports.get(SHENNONG_HTTP)}`, FEITIAN_SCRAPE: input.scrape } : {}),
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
    ready: 'message',
    stopSignal: 'SIGTERM',
    stopTier: STOP_TIER[role],
  };
}
