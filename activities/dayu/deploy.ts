import type { DayuAgent, Deployment, Instance } from '../../services/dayu/contract.ts';
import { runOrder } from './run-order.ts';

/**
 * Makes this node run a deployment. Run again with one that runs and is healthy it changes nothing. Queue `tubo:<node>`.
 * Failures: BadPackage, StorageFailed, StartFailed, Unhealthy, Superseded.
 */
export function createDeploy(agent: DayuAgent) {
  return async function deploy({ deployment, healthyWithinMs }: { deployment: Deployment; healthyWithinMs: number }): Promise<Instance[]> {
    return await runOrder((control) => agent.deploy(deployment, { ...control, healthyWithinMs }));
  };
}
