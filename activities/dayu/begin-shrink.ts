import { shrinkProblems } from '../../services/dayu/core/nodes-checks.ts';
import type { Shrink, ShrinkFacts } from '../../services/dayu/nodes-contract.ts';
import { readClusterFacts } from './cluster-facts.ts';
import { refuseNodes } from './node-failures.ts';
import type { NodeServices } from './node-services.ts';
import { giveShrinkLock, type Holder, takeShrinkLock } from './shrink-lock.ts';

/** Whether these nodes may leave; if so, no other shrink begins until `endShrink`. Failures: InvalidShrink. */
export function createBeginShrink(services: NodeServices) {
  return async function beginShrink({ holder, document }: { holder: Holder; document: Shrink }): Promise<ShrinkFacts> {
    const other = await takeShrinkLock(services, holder);
    const facts = await readClusterFacts(services);
    const problems = shrinkProblems(document, facts, other?.workflowId);
    if (problems.length > 0) {
      if (!other) await giveShrinkLock(services, holder);
      throw refuseNodes('InvalidShrink', problems);
    }
    const nodes = document.nodes.map((id) => {
      const { rack } = facts.members.find((member) => member.id === id)!;
      const held = facts.servers.find(({ node }) => node === id);
      return { id, rack, replicas: held?.replicas ?? 0, bytes: held?.bytes ?? 0 };
    });
    return { nodes, nodesAfter: facts.members.length - nodes.length };
  };
}
