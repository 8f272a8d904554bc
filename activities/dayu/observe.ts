import type { DayuAgent, Instance } from '../../services/dayu/contract.ts';
import { runOrder } from './run-order.ts';

/** Watches this node's instances of an application for `ms`. Run again it begins anew. Queue `tubo:<node>`. Failures: Unhealthy. */
export function createObserve(agent: DayuAgent) {
  return async function observe({ application, ms }: { application: string; ms: number }): Promise<Instance[]> {
    return await runOrder((control) => agent.observe(application, { ...control, ms }));
  };
}
