import { PanguError } from '../../contract.ts';
import type { MasterContext } from '../context.ts';

/** Masters hear of it from Nuwa. One that does not know yet may choose the server once more; the server itself refuses then. */
export async function setDraining({ chunkServers, chunkServerAt }: MasterContext, { node, draining }: { node: string; draining: boolean }) {
  const server = chunkServers.get(node);
  if (!server) throw new PanguError('EIO', `the chunk server of ${node} is not there`);
  await chunkServerAt(server.address).setDraining({ node, draining });
  return {};
}
