import { hasCode } from '../../base/errors.ts';
import type { NuwaClient } from '../../nuwa/contract.ts';

const EPOCH_PATH = '/fuxi/epoch';

/** The number of this life of FuxiMaster, one more than of the life before: how often the node was set. */
export async function nextEpoch(nuwa: NuwaClient): Promise<number> {
  await nuwa.create(EPOCH_PATH, new Uint8Array(), { parents: true }).catch((error) => {
    if (!hasCode(error, 'NodeExists')) throw error;
  });
  const { version } = await nuwa.set(EPOCH_PATH, Buffer.from(JSON.stringify({ pid: process.pid })));
  return version;
}
