import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { ClusterError } from '../errors.ts';
import { layoutOf } from './layout.ts';

/** `cluster.json`: where a running cluster answers. Programs outside are written against it. */
export const clusterInfoSchema = z.object({
  name: z.string(),
  temporal: z.object({
    address: z.string(),
    namespace: z.string(),
    /** The Web UI; absent when the cluster uses a Temporal server that somebody else runs and FEITIAN_TEMPORAL_UI does not tell. */
    ui: z.string().optional(),
  }),
  postgres: z.object({ url: z.string() }),
  /** `kuafu`: `host:port`, or `tls://host:port` in a cluster that speaks TLS. */
  nuwa: z.object({ kuafu: z.array(z.string()), zookeeper: z.array(z.string()) }),
  nodes: z.array(z.object({ id: z.string(), rack: z.string() })),
  processes: z.array(
    z.object({
      role: z.string(),
      node: z.string().optional(),
      /** Which one, where a role has several processes that belong to no node: `nuwa-1`. */
      instance: z.string().optional(),
      pid: z.number().int(),
      log: z.string(),
    }),
  ),
  prometheus: z.string().optional(),
  alertmanager: z.string().optional(),
  grafana: z.string().optional(),
  admin: z.object({ keyFile: z.string() }),
  /** What programs of this machine show a cluster that speaks TLS. */
  tls: z.object({ certificateFile: z.string(), keyFile: z.string() }).optional(),
  /** Jobs must say who submits them: `feitian job submit` does. */
  requireSubmitter: z.boolean().optional(),
});
export type ClusterInfo = z.infer<typeof clusterInfoSchema>;

/** Errors: NotRunning. */
export async function readClusterInfo(directory: string): Promise<ClusterInfo> {
  const { clusterFile, dir } = layoutOf(directory);
  const text = await readFile(clusterFile, 'utf8').catch((cause) => {
    throw new ClusterError('NotRunning', `no cluster is up in ${dir}; start one with "feitian up"`, { cause });
  });
  return clusterInfoSchema.parse(JSON.parse(text));
}
