import { chunkServerService } from '../../services/pangu/chunk-contract.ts';
import { connectMasters } from '../../services/pangu/client/masters.ts';
import type { PanguCluster } from './pangu-cluster.ts';

/** Looks at the replicas of random files one by one, past the client. */
export function replicasOf({ cluster, pangu }: PanguCluster) {
  const masters = connectMasters(cluster.kuafu, pangu.cluster);
  const serverAt = (address: string) => cluster.kuafu.service(chunkServerService, address);
  const places = async (path: string, indexes: number[]) => {
    const { file } = await masters.open({ path });
    return (await masters.randomLocate({ file, indexes })).chunks;
  };
  return {
    masters,
    serverAt,
    places,
    /** By chunk, what each replica that rows name says that it holds. */
    digests: async (path: string, indexes: number[]): Promise<number[][]> =>
      Promise.all(
        (await places(path, indexes)).map(({ chunk, version, replicas }) =>
          Promise.all(
            replicas.map(async ({ node, address }) => (await serverAt(address!).randomSums({ node, chunk, version })).body.digest),
          ),
        ),
      ),
  };
}
