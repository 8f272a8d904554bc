import type { NodeKeeper } from '../../services/dayu/nodes-contract.ts';
import { beating } from './beating.ts';
import type { NodeServices } from './node-services.ts';

/** Starts a node's roles, where somebody here can. Run again it finds them there. */
export function createAddNode({ nodeProvider }: Pick<NodeServices, 'nodeProvider'>) {
  return async function addNode(node: { id: string; rack: string }): Promise<{ keeper: NodeKeeper }> {
    return beating(async () => ({ keeper: await nodeProvider.add(node) }));
  };
}
