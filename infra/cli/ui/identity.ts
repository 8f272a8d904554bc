import { resolve } from 'node:path';
import { hasCode } from '../../../services/base/errors.ts';
import type { Identity } from '../../../services/kuafu/guard-contract.ts';

/** Whom a command speaks for: who `FEITIAN_IDENTITY` names, or else the administrator of the cluster it is about, whose key only its owner can read. */
export async function commandIdentity(cluster?: { admin: { keyFile: string } }): Promise<Identity | undefined> {
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
