import type { KuafuClient, ServiceClient } from '../kuafu/contract.ts';
import { type ChunkServerContract, chunkServerService } from './chunk-contract.ts';

/** More than a cluster has; servers that restart come back at other addresses. */
const REMEMBERED_MAX = 4_096;

/** To call the chunk server at an address. What it takes to call one is kept: making it anew for each small append or read would be a twentieth of the call. */
export function chunkServersAt(kuafu: KuafuClient): (address: string) => ServiceClient<ChunkServerContract> {
  const known = new Map<string, ServiceClient<ChunkServerContract>>();
  return (address) => {
    const found = known.get(address);
    if (found) return found;
    if (known.size >= REMEMBERED_MAX) known.clear();
    const made = kuafu.service(chunkServerService, address);
    known.set(address, made);
    return made;
  };
}
