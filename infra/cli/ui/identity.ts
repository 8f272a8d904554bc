import { resolve } from 'node:path';
import type { Identity } from '../../../services/kuafu/guard-contract.ts';

/** Whom a command speaks for: who `FEITIAN_IDENTITY` names, or else the administrator of the cluster it is about, whose key only its owner can read. */
export async function commandIdentity(cluster?: { admin: { keyFile: string } }): Promise<Identity | undefined> {
  const file = process.env.FEITIAN_IDENTITY ?? cluster?.admin.keyFile;
  if (!file) return undefined;
  const { openIdentity } = await import('../../../services/zhongkui/client.ts');
  return await openIdentity(resolve(file), { watch: false });
}
