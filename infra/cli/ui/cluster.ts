import { messageOf } from '../../../services/base/errors.ts';
import { silentLogger } from '../../../services/base/log.ts';
import type { KuafuClient } from '../../../services/kuafu/contract.ts';
import type { NuwaClient } from '../../../services/nuwa/contract.ts';
import type { PanguClient } from '../../../services/pangu/contract.ts';
import { type ClusterInfo, readClusterInfo } from '../../cluster/cluster-file.ts';
import { ClusterError } from '../../errors.ts';
import { commandIdentity } from './identity.ts';

/** What `cluster.json` tells. */
export async function clusterIn(dir: string): Promise<ClusterInfo> {
  try {
    return await readClusterInfo(dir);
  } catch (error) {
    if (error instanceof ClusterError) throw error;
    throw new Error(`${dir}/cluster.json is damaged, \`feitian up\` writes it anew: ${messageOf(error)}`, { cause: error });
  }
}

export interface Membership {
  cluster: ClusterInfo;
  nuwa: NuwaClient;
  kuafu: KuafuClient;
}

/** Runs `use` as a member of the cluster and leaves afterwards. */
export async function inCluster<T>(dir: string, use: (member: Membership) => Promise<T>): Promise<T> {
  const cluster = await clusterIn(dir);
  const { joinCluster } = await import('../../../services/nuwa/client.ts');
  const nuwaAddresses = cluster.nuwa.kuafu.map((address) => (address.includes('://') ? address : `tcp://${address}`));
  const identity = await commandIdentity(cluster);
  const { nuwa, kuafu, leave } = await joinCluster({
    cluster: cluster.name,
    nuwa: nuwaAddresses,
    creator: 'feitian',
    identity,
    log: silentLogger,
  });
  try {
    return await use({ cluster, nuwa, kuafu });
  } finally {
    await leave();
  }
}

export function withPangu<T>(dir: string, use: (pangu: PanguClient) => Promise<T>): Promise<T> {
  return inCluster(dir, async ({ cluster, nuwa, kuafu }) => {
    const { createPangu } = await import('../../../services/pangu/client.ts');
    const pangu = createPangu({ cluster: cluster.name, kuafu, nuwa, log: silentLogger });
    try {
      return await use(pangu);
    } finally {
      await pangu.close();
    }
  });
}
