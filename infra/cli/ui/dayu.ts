import { messageOf } from '../../../services/base/errors.ts';
import {
  DAYU_AGENT_SERVICE,
  DAYU_MASTER_SERVICE,
  dayuAgentService,
  dayuMasterService,
  type Instance,
} from '../../../services/dayu/contract.ts';
import { compareNames } from '../../../services/dayu/core/planner.ts';
import type { ServiceClient } from '../../../services/kuafu/contract.ts';
import { SERVICES_PATH } from '../../../services/nuwa/contract.ts';
import type { Membership } from './cluster.ts';

export function dayuMasterOf({ cluster, kuafu }: Membership): ServiceClient<typeof dayuMasterService> {
  return kuafu.service(dayuMasterService, `nuwa://${cluster.name}/${DAYU_MASTER_SERVICE}/`);
}

/** A node that is away must not hold up what the others say. */
const AGENT_TIMEOUT_MS = 3_000;

/** What runs of an application (of all, when none is named), told by the agents that are registered; those that do not answer are named. */
export async function instancesOf(member: Membership, application?: string): Promise<{ instances: Instance[]; silent: string[] }> {
  const { cluster, nuwa, kuafu } = member;
  const { children } = await nuwa.list(`${SERVICES_PATH}/${DAYU_AGENT_SERVICE}`).catch(() => ({ children: [] }));
  const nodes = children.map((child) => child.path.slice(child.path.lastIndexOf('/') + 1)).sort(compareNames);
  const silent: string[] = [];
  const perNode = await Promise.all(
    nodes.map(async (node) => {
      const agent = kuafu.service(dayuAgentService, `nuwa://${cluster.name}/${DAYU_AGENT_SERVICE}/${node}`);
      try {
        return (await agent.instances({}, { timeoutMs: AGENT_TIMEOUT_MS })).instances;
      } catch (error) {
        silent.push(`${node} (${messageOf(error)})`);
        return [];
      }
    }),
  );
  return { instances: perNode.flat().filter((each) => application === undefined || each.application === application), silent };
}
