import { WorkflowNotFoundError } from '@temporalio/client';
import type { TemporalConfig } from '../../services/base/role.ts';
import type { RolloutPort } from '../../services/dayu/master/context.ts';
import type { WorkflowPort } from '../../services/fuxi/contract.ts';
import { connectClient } from './connect.ts';
import { isRunning } from './running-workflows.ts';

/** How services speak to workflows: through a Temporal client. */
export async function createWorkflowPort(config: TemporalConfig): Promise<WorkflowPort & RolloutPort & { close(): Promise<void> }> {
  const client = await connectClient(config);
  return {
    async signal(workflowId, runId, name, payload) {
      try {
        await client.workflow.getHandle(workflowId, runId).signal(name, payload);
        return 'sent';
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return 'gone';
        throw error;
      }
    },
    async listRunning(workflowType) {
      const running = [];
      const query = `WorkflowType = '${workflowType.replaceAll("'", '')}' AND ExecutionStatus = 'Running'`;
      for await (const { workflowId, runId } of client.workflow.list({ query })) running.push({ workflowId, runId });
      return running;
    },
    isRunning: (workflowId, runId) => isRunning(client, workflowId, runId),
    close: () => client.connection.close(),
  };
}
