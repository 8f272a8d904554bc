import type { Client } from '@temporalio/client';
import type { StartRole } from '../services/base/role.ts';
import type { WorkflowCounter } from '../services/shennong/contract.ts';
import { startShennong } from '../services/shennong/server.ts';
import { connectClient } from './temporal/connect.ts';

/** Role `shennong`: Shennong with Temporal behind its port, and the targets that FEITIAN_SCRAPE names. */
export const start: StartRole = async (config) => {
  if (!config.temporal) throw new Error('role shennong needs the address of Temporal');
  const client = await connectClient(config.temporal);
  try {
    const role = await startShennong(config, { workflows: workflowCounter(client), scrape: process.env.FEITIAN_SCRAPE });
    return { ...role, stop: () => role.stop().finally(() => client.connection.close()) };
  } catch (error) {
    await client.connection.close();
    throw error;
  }
};

export function workflowCounter(client: Client): WorkflowCounter {
  return {
    async count(workflowType) {
      const { groups } = await client.workflow.count(`WorkflowType = '${workflowType.replaceAll("'", '')}' GROUP BY ExecutionStatus`);
      return new Map(groups.map(({ count, groupValues }) => [String([groupValues[0]].flat()[0]), count]));
    },
  };
}
