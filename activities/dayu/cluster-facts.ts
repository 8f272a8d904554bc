import { hasCode } from '../../services/base/errors.ts';
import type { ClusterFacts } from '../../services/dayu/core/nodes-checks.ts';
import { NODES_PATH } from '../../services/fuxi/contract.ts';
import type { ChunkServerState } from '../../services/pangu/master-contract.ts';
import type { NodeServices } from './node-services.ts';

export async function readClusterFacts({
  nuwa,
  panguMaster,
}: Pick<NodeServices, 'nuwa' | 'panguMaster'>): Promise<Omit<ClusterFacts, 'servers'> & { servers: ChunkServerState[] }> {
  const [members, { servers, replicasMax }] = await Promise.all([
    nuwa.list(NODES_PATH).catch((error) => {
      if (hasCode(error, 'NoNode')) return { children: [] };
      throw error;
    }),
    panguMaster.servers({}),
  ]);
  return {
    members: members.children.map(({ path, value }) => ({ id: path.slice(NODES_PATH.length + 1), rack: rackIn(value) })),
    servers,
    replicasMax,
  };
}

function rackIn(value: Uint8Array): string {
  try {
    return String((JSON.parse(Buffer.from(value).toString()) as { rack?: unknown }).rack ?? '');
  } catch {
    return '';
  }
}
