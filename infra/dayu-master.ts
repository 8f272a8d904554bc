import type { StartRole } from '../services/base/role.ts';
import { startDayuMaster } from '../services/dayu/master/server.ts';
import { createWorkflowPort } from './temporal/workflow-port.ts';

/** Role `dayu-master`: Dayu's master with Temporal behind its workflow port. */
export const start: StartRole = async (config) => {
  if (!config.temporal) throw new Error('role dayu-master needs the address of Temporal');
  const workflows = await createWorkflowPort(config.temporal);
  try {
    const role = await startDayuMaster(config, { workflows });
    return { ...role, stop: () => role.stop().finally(() => workflows.close()) };
  } catch (error) {
    await workflows.close();
    throw error;
  }
};
