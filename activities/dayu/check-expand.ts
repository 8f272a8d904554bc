import { expandProblems } from '../../services/dayu/core/nodes-checks.ts';
import type { Expand } from '../../services/dayu/nodes-contract.ts';
import { readClusterFacts } from './cluster-facts.ts';
import { refuseNodes } from './node-failures.ts';
import type { NodeServices } from './node-services.ts';

/** Whether these nodes may join. Failures: InvalidExpand. */
export function createCheckExpand(services: Pick<NodeServices, 'nuwa' | 'panguMaster'>) {
  return async function checkExpand(document: Expand): Promise<{ nodesAfter: number }> {
    const facts = await readClusterFacts(services);
    const problems = expandProblems(document, facts);
    if (problems.length > 0) throw refuseNodes('InvalidExpand', problems);
    return { nodesAfter: facts.members.length + document.nodes.length };
  };
}
