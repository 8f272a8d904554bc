import { type Client, WorkflowNotFoundError } from '@temporalio/client';

/** Whether a run still goes on, as the server knows it this moment. */
export async function isRunning(client: Client, workflowId: string, runId: string): Promise<boolean> {
  try {
    const { status } = await client.workflow.getHandle(workflowId, runId).describe();
    return status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
