import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { silentLogger } from '../../../services/base/log.ts';
import type { KuafuClient } from '../../../services/kuafu/contract.ts';
import type { NuwaClient } from '../../../services/nuwa/contract.ts';
import type { PanguClient } from '../../../services/pangu/contract.ts';

/** What the verbs need of `cluster.json`. */
const clusterFileSchema = z.object({
  name: z.string(),
  temporal: z.object({ address: z.string(), namespace: z.string(), ui: z.string().optional() }),
  nuwa: z.object({ kuafu: z.array(z.string()).min(1) }),
});
export type ClusterFile = z.output<typeof clusterFileSchema>;

export async function readClusterFile(dir: string): Promise<ClusterFile> {
  const path = join(dir, 'cluster.json');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new Error(`no cluster runs in ${dir}: start one with \`feitian up\`, or name its directory with --dir`, { cause: error });
    throw new Error(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  const parsed = clusterFileSchema.safeParse(jsonOf(text));
  if (!parsed.success) throw new Error(`${path} is damaged: ${z.prettifyError(parsed.error)}; \`feitian up\` writes it anew`);
  return parsed.data;
}

export interface Membership {
  cluster: ClusterFile;
  nuwa: NuwaClient;
  kuafu: KuafuClient;
}

/** Runs `use` as a member of the cluster and leaves afterwards. */
export async function inCluster<T>(dir: string, use: (member: Membership) => Promise<T>): Promise<T> {
  const cluster = await readClusterFile(dir);
  const { joinCluster } = await import('../../../services/nuwa/client.ts');
  const nuwaAddresses = cluster.nuwa.kuafu.map((address) => (address.includes('://') ? address : `tcp://${address}`));
  const { nuwa, kuafu, leave } = await joinCluster({ cluster: cluster.name, nuwa: nuwaAddresses, creator: 'feitian', log: silentLogger });
  try {
    return await use({ cluster, nuwa, kuafu });
  } finally {
    await leave();
  }
}

export function withPangu<T>(dir: string, use: (pangu: PanguClient) => Promise<T>): Promise<T> {
  return inCluster(dir, async ({ cluster, kuafu }) => {
    const { createPangu } = await import('../../../services/pangu/client.ts');
    const pangu = createPangu({ cluster: cluster.name, kuafu, log: silentLogger });
    try {
      return await use(pangu);
    } finally {
      await pangu.close();
    }
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
