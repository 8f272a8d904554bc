import { hasCode } from '../../services/base/errors.ts';
import { NODES_PATH } from '../../services/fuxi/contract.ts';
import type { NodeServices } from './node-services.ts';

/**
 * A node whose roles have ended belongs to the cluster no more: its name goes, and its data, once the masters say that nothing of it is needed. Run again it
 * finds nothing to do. It fails, and is tried again, while a master still sees its chunk server.
 */
export function createForgetNode({ panguMaster, nuwa, nodeProvider }: Pick<NodeServices, 'panguMaster' | 'nuwa' | 'nodeProvider'>) {
  return async function forgetNode({ id }: { id: string }): Promise<void> {
    await panguMaster.forgetNode({ node: id });
    await nuwa.delete(`${NODES_PATH}/${id}`).catch((error) => {
      if (!hasCode(error, 'NoNode')) throw error;
    });
    await nodeProvider.deleteData(id);
  };
}
