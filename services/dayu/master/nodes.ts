import { hasCode } from '../../base/errors.ts';
import { TUBO_SERVICE } from '../../fuxi/contract.ts';
import { type NuwaClient, SERVICES_PATH, serviceInfoSchema } from '../../nuwa/contract.ts';
import type { PlanFacts } from '../contract.ts';

/** The nodes that are up: those whose Tubo, and the agent in it, is registered in Nuwa. */
export async function listNodes(nuwa: NuwaClient): Promise<PlanFacts['nodes']> {
  const path = `${SERVICES_PATH}/${TUBO_SERVICE}`;
  const { children } = await nuwa.list(path).catch((error) => {
    if (hasCode(error, 'NoNode')) return { children: [] };
    throw error;
  });
  return children.map((child) => {
    const { rack } = serviceInfoSchema.parse(JSON.parse(Buffer.from(child.value).toString('utf8')));
    return { id: child.path.slice(path.length + 1), rack: rack ?? '' };
  });
}
