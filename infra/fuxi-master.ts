import type { StartRole } from '../services/base/role.ts';
import { startFuxiMaster } from '../services/fuxi/master/server.ts';
import { createWorkflowPort } from './temporal/workflow-port.ts';

/** Role `fuxi-master`: FuxiMaster with Temporal behind its workflow port. */
export const start: StartRole = async (config) => {
  if (!config.temporal) throw new Error('role fuxi-master needs the address of Temporal');
  const workflows = await createWorkflowPort(config.temporal);
  try {
    const role = await startFuxiMaster(config, { workflows });
    return { ...role, stop: () => role.stop().finally(() => workflows.close()) };
  } catch (error) {
    await workflows.close();
    throw error;
  }
};
