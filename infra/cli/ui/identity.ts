import { resolve } from 'node:path';
import { hasCode } from '../../../services/base/errors.ts';
import type { Identity } from '../../../services/kuafu/guard-contract.ts';
import type { ClusterInfo } from '../../cluster/cluster-file.ts';
import { useCommandTls } from './machine-tls.ts';

/**
 * Whom a command speaks for: who `FEITIAN_IDENTITY` names, or else the administrator of the cluster it is about, whose key only its owner can read. Asked for before
 * anybody is called, so where the cluster speaks TLS this process does from then on.
 */
export async function commandIdentity(cluster?: Pick<ClusterInfo, 'admin' | 'tls'>): Promise<Identity | undefined> {
  await useCommandTls(cluster);
  const given = process.env.FEITIAN_IDENTITY;
  const file = given || cluster?.admin.keyFile;
  if (!file) return undefined;
  const { openIdentity } = await import('../../../services/zhongkui/client.ts');
  try {
    return await openIdentity(resolve(file), { watch: false });
  } catch (error) {
    // A cluster may do without keys; who was named must be there.
    if (!given && hasCode(error, 'NoSuchKey')) return undefined;
    throw error;
  }
}
