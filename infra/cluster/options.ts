import { availableParallelism, totalmem } from 'node:os';
import { z } from 'zod';
import { ClusterError } from '../errors.ts';

/** What a local cluster can be told; the launcher gets it whole, with every default filled in. */
const port = z.number().int().min(1).max(65_535).optional();

export const clusterOptionsSchema = z.object({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be lower-case letters, digits and dashes')
    .default('local'),
  nodes: z.number().int().min(1).max(64).default(4),
  racks: z.number().int().min(1).max(26).optional(),
  /** Servers of the coordination service, when there are none yet: one, or as many as outlive the loss of one or of two. @default 3 */
  nuwaServers: z.union([z.literal(1), z.literal(3), z.literal(5)], 'must be 1, 3 or 5').optional(),
  /** Of each node's chunk server: so many directories beside its other data, or one below each of these. A directory keeps what it began with. @default its own */
  disks: z.union([z.number().int().min(1).max(64), z.array(z.string().min(1)).min(1)]).optional(),
  cpuPerNode: z.number().positive().optional(),
  memoryMiBPerNode: z.number().int().positive().optional(),
  ports: z
    .object({
      postgres: port,
      temporal: port,
      temporalUi: port,
      /** Of the first Nuwa server. */
      nuwa: port,
      zookeeper: port,
      prometheus: port,
      alertmanager: port,
      grafana: port,
    })
    .default({}),
  /** Prometheus, Alertmanager and Grafana, those of them that are on PATH. */
  monitoring: z.boolean().default(false),
  /** Its processes speak TLS with each other. A directory keeps what it began with. @default what the directory began with, else false */
  tls: z.boolean().optional(),
  /** One process for all masters and one for all of a node, instead of one for each role. @default false */
  together: z.boolean().default(false),
  /** Jobs must say who submits them. @default false */
  requireSubmitter: z.boolean().default(false),
  /** Goes down by itself when the process that started it dies. */
  attached: z.boolean().default(false),
});
export type ClusterOptions = z.input<typeof clusterOptionsSchema>;

export interface ClusterShape {
  name: string;
  nodes: { id: string; rack: string }[];
  nuwaServers?: number;
  disks?: number | string[];
  cpuPerNode: number;
  memoryMiBPerNode: number;
  ports: {
    postgres?: number;
    temporal?: number;
    temporalUi?: number;
    nuwa?: number;
    zookeeper?: number;
    prometheus?: number;
    alertmanager?: number;
    grafana?: number;
  };
  monitoring: boolean;
  tls?: boolean;
  together?: boolean;
  requireSubmitter?: boolean;
  attached: boolean;
}

/** Errors: BadConfig, with all that is wrong. */
export function shapeOf(options: ClusterOptions): ClusterShape {
  const parsed = clusterOptionsSchema.safeParse(options);
  if (!parsed.success)
    throw new ClusterError('BadConfig', parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
  const { nodes, racks = Math.min(2, nodes), cpuPerNode, memoryMiBPerNode, ...rest } = parsed.data;
  if (racks > nodes) throw new ClusterError('BadConfig', `${racks} racks need at least as many nodes, not ${nodes}`);
  return {
    ...rest,
    nodes: Array.from({ length: nodes }, (_, index) => ({ id: `node-${index + 1}`, rack: rackName(Math.floor((index * racks) / nodes)) })),
    // All nodes share this machine, so together they offer about what it has: each core once, and at least one to each node.
    cpuPerNode: cpuPerNode ?? Math.max(1, Math.round(availableParallelism() / nodes)),
    // Half of the memory: the rest is for the cluster's own processes and for the file cache that makes reads quick.
    memoryMiBPerNode: memoryMiBPerNode ?? Math.max(512, Math.floor(totalmem() / 2 / nodes / 1_048_576)),
  };
}

function rackName(index: number): string {
  return `rack-${String.fromCharCode('a'.charCodeAt(0) + index)}`;
}
