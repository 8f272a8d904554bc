import type { TaskMasterRun } from '../core/pool-state.ts';

export const TASK_WORKFLOW_TYPE = 'fuxiTask';

export const taskMasterRun = ({ workflowId, runId }: { workflowId: string; runId: string }): TaskMasterRun => ({
  taskWorkflowId: workflowId,
  taskRunId: runId,
});
