import type { DayuAgent } from '../../services/dayu/contract.ts';
import { runOrder } from './run-order.ts';

/** Stops all that this node runs of an application; run again it finds nothing to do. Queue `tubo:<node>`. Failures: StorageFailed, Superseded. */
export function createRemoveApplication(agent: DayuAgent) {
  return async function removeApplication({ application }: { application: string }): Promise<void> {
    await runOrder((control) => agent.remove(application, control));
  };
}
