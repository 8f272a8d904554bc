import { access } from 'node:fs/promises';
import { ApplicationFailure } from '@temporalio/activity';
import type { NodeProvider } from '../activities/dayu/node-services.ts';
import { askControl, type ControlQuestion } from './cluster/control.ts';
import { layoutOf } from './cluster/layout.ts';
import { type ClusterCode, ClusterError } from './errors.ts';

/** What may be different at the next try. */
const AGAIN: readonly ClusterCode[] = ['NotRunning', 'Leftovers'];

/**
 * How nodes come and go. In a local cluster its launcher sees to it, which answers on the control socket; FEITIAN_DIR says where. Anywhere else a person does.
 * A launcher that died is waited for: nodes come from nobody else.
 */
export function createNodeProvider(dir: string | undefined): NodeProvider {
  const layout = dir === undefined ? undefined : layoutOf(dir);
  /** @returns false where there is no local cluster. */
  const ask = async (question: ControlQuestion): Promise<boolean> => {
    if (!layout || !(await exists(layout.recordFile))) return false;
    try {
      await askControl(layout.controlSocket, question);
      return true;
    } catch (error) {
      if (!(error instanceof ClusterError) || AGAIN.includes(error.code)) throw error;
      throw ApplicationFailure.create({ nonRetryable: true, type: error.code, message: error.reason, cause: error });
    }
  };
  return {
    add: async ({ id, rack }) => ((await ask({ method: 'addNode', id, rack })) ? 'launcher' : 'manual'),
    remove: async (id) => ((await ask({ method: 'removeNode', id })) ? 'launcher' : 'manual'),
    deleteData: async (id) => void (await ask({ method: 'removeNode', id, deleteData: true })),
  };
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
