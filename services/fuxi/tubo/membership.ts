import { hasCode } from '../../base/errors.ts';
import type { NuwaClient } from '../../nuwa/contract.ts';
import { NODES_PATH } from '../contract.ts';

/** Writes down that this node leaves for good, so that it is not missed when it is gone. */
export async function noteLeaving(nuwa: NuwaClient, { id, rack }: { id: string; rack: string }): Promise<void> {
  await nuwa.set(`${NODES_PATH}/${id}`, Buffer.from(JSON.stringify({ rack, leaving: true }))).catch((error) => {
    if (!hasCode(error, 'NoNode')) throw error; // it is forgotten already
  });
}

/** Writes down that this node belongs to the cluster, so that it is missed when it is away. */
export async function joinNodes(nuwa: NuwaClient, { id, rack }: { id: string; rack: string }): Promise<void> {
  const path = `${NODES_PATH}/${id}`;
  const value = Buffer.from(JSON.stringify({ rack }));
  try {
    await nuwa.create(path, value, { parents: true });
  } catch (error) {
    if (!hasCode(error, 'NodeExists')) throw error;
    await nuwa.set(path, value);
  }
}
