import type { NodeKeeper } from '../../services/dayu/nodes-contract.ts';
import { beating } from './beating.ts';
import type { NodeServices } from './node-services.ts';

/** Stops a node's roles for good, where somebody here can. What it keeps on disk stays. Run again it finds them gone. */
export function createRemoveNode({ nodeProvider }: Pick<NodeServices, 'nodeProvider'>) {
  return async function removeNode({ id }: { id: string }): Promise<{ keeper: NodeKeeper }> {
    return beating(async () => ({ keeper: await nodeProvider.remove(id) }));
  };
}
