import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import type { TemporalConfig } from '../../../services/base/role.ts';
import type { ClusterInfo } from '../../cluster/cluster-file.ts';
import { temporalFromEnvironment } from '../../temporal-config.ts';
import { clusterIn } from './cluster.ts';

/** Long enough for a server that answers; then it is said what is waited for. */
const PATIENCE_MS = 2_000;

/** Runs `use` with a client of the cluster's Temporal. */
export async function withTemporal<T>(dir: string, use: (client: Client, cluster: ClusterInfo) => Promise<T>): Promise<T> {
  const cluster = await clusterIn(dir);
  const config = await temporalConfig(dir, cluster);
  const { connectClient } = await import('../../temporal/connect.ts');
  const tell = setTimeout(() => process.stderr.write(`feitian: waiting for Temporal at ${config.address} …\n`), PATIENCE_MS);
  const client = await connectClient(config).finally(() => clearTimeout(tell));
  try {
    return await use(client, cluster);
  } finally {
    await client.connection.close();
  }
}

/** Address and namespace are the cluster's; keys and certificates are never in its file, so they come from the environment. */
async function temporalConfig(dir: string, { temporal: { address, namespace } }: ClusterInfo): Promise<TemporalConfig> {
  const named = await temporalFromEnvironment(process.env, join(dir, 'tls'));
  return named?.address === address ? { ...named, namespace } : { address, namespace };
}

/** Where a person looks at a run; `undefined` when nobody told where the Web UI is. */
export function webAddress({ temporal: { ui, namespace } }: ClusterInfo, workflowId: string, runId: string): string | undefined {
  const base = ui?.replace(/\/+$/, '');
  return base && `${base}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}/${runId}/history`;
}
