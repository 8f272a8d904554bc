import { hasCode } from '../../services/base/errors.ts';
import { SHRINK_LOCK_PATH } from '../../services/dayu/nodes-contract.ts';
import type { NodeServices } from './node-services.ts';

export interface Holder {
  workflowId: string;
  runId: string;
}

/**
 * One shrink at a time: each looks at what would be left without its own nodes only. The lock is a node in Nuwa that names the workflow run that holds it;
 * one whose run has ended without giving it back loses it to the next who asks.
 *
 * @returns who else holds it, if somebody does.
 */
export async function takeShrinkLock(
  { nuwa, isRunning }: Pick<NodeServices, 'nuwa' | 'isRunning'>,
  holder: Holder,
): Promise<Holder | undefined> {
  const value = Buffer.from(JSON.stringify(holder));
  for (;;) {
    try {
      await nuwa.create(SHRINK_LOCK_PATH, value, { parents: true });
      return undefined;
    } catch (error) {
      if (!hasCode(error, 'NodeExists')) throw error;
    }
    try {
      const { value: held, version } = await nuwa.get(SHRINK_LOCK_PATH);
      const other = JSON.parse(Buffer.from(held).toString()) as Holder;
      if (other.runId === holder.runId) return undefined;
      if (await isRunning(other.workflowId, other.runId)) return other;
      await nuwa.set(SHRINK_LOCK_PATH, value, { version });
      return undefined;
    } catch (error) {
      if (!hasCode(error, 'NoNode', 'BadVersion')) throw error; // somebody was faster: look again
    }
  }
}

/** Also when it is not held. */
export async function giveShrinkLock({ nuwa }: Pick<NodeServices, 'nuwa'>, holder: Holder): Promise<void> {
  try {
    const { value, version } = await nuwa.get(SHRINK_LOCK_PATH);
    if ((JSON.parse(Buffer.from(value).toString()) as Holder).runId !== holder.runId) return;
    await nuwa.delete(SHRINK_LOCK_PATH, { version });
  } catch (error) {
    if (!hasCode(error, 'NoNode', 'BadVersion')) throw error;
  }
}
