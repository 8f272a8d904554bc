/** Dayu's agent beside Tubo, in the same process: its own member of the cluster, with the service `dayu-agent` for people who ask. */
import { createLogger, type Logger } from '../../base/log.ts';
import type { RoleConfig } from '../../base/role.ts';
import { implement, serve } from '../../kuafu/server.ts';
import { joinCluster } from '../../nuwa/client.ts';
import { createPangu } from '../../pangu/client.ts';
import { DAYU_AGENT_SERVICE, type DayuAgent, dayuAgentService } from '../contract.ts';
import { Agent } from './agent.ts';
import { createInstances } from './ops/instances.ts';
import { createLog } from './ops/log.ts';
import { servicesDirectory } from './places.ts';

export interface RunningAgent extends DayuAgent {
  /** Where it answers Kuafu calls. */
  readonly address: string;
  /** Stops the instances, which run again after the next start; unregisters, closes. Safe to call twice. */
  stop(): Promise<void>;
}

export async function startDayuAgent(config: RoleConfig, options: { log?: Logger } = {}): Promise<RunningAgent> {
  const { cluster, node, nuwa } = config;
  if (!node) throw new Error('an agent needs a node');
  const log = options.log ?? createLogger({ role: DAYU_AGENT_SERVICE, node: node.id });
  const directory = servicesDirectory(config.dataDir);
  // The process listens for Tubo at the configured port; the agent is found through Nuwa, wherever it listens.
  const { protocol, hostname: host } = new URL(config.listen);
  const member = await joinCluster({ cluster, nuwa, creator: `${DAYU_AGENT_SERVICE} on ${node.id}`, identity: config.identity, log });
  const pangu = createPangu({ cluster, kuafu: member.kuafu, nuwa: member.nuwa, node: node.id, log });
  const facts = { node: node.id, rack: node.rack, cluster, nuwa, host, own: process.env };
  const agent = new Agent({ directory, facts, nuwa: member.nuwa, pangu, log });
  await agent.start();
  const handlers = { instances: createInstances(() => agent.list()), log: createLog(directory) };
  const server = await serve({
    address: `${protocol}//${host}:0`,
    implementations: [implement(dayuAgentService, handlers)],
    guard: config.guard ?? 'none',
    cluster,
    log,
  });
  const info = { address: server.address, node: node.id, rack: node.rack, pid: process.pid };
  const registration = await member.nuwa.register(DAYU_AGENT_SERVICE, node.id, info);

  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await agent.stop();
    await registration.unregister().catch((error) => log.warn({ error }, 'unregister.failed'));
    await server.close({ graceMs: 500 });
    await pangu.close();
    await member.leave();
  };
  return {
    node: node.id,
    address: server.address,
    deploy: (deployment, control) => agent.deploy(deployment, control),
    remove: (application, control) => agent.remove(application, control),
    observe: (application, control) => agent.observe(application, control),
    stop: () => (stopped ??= stop()),
  };
}
