import { systemClock } from '../../base/clock.ts';
import { newId } from '../../base/ids.ts';
import { createLogger, type Logger } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import type { RoleConfig, RunningRole } from '../../base/role.ts';
import { implement, serve } from '../../kuafu/server.ts';
import { joinCluster } from '../../nuwa/client.ts';
import type { NuwaClient } from '../../nuwa/contract.ts';
import { FUXI_MASTER_SERVICE, fuxiMasterService, type WorkflowPort } from '../contract.ts';
import { recover } from './background/recover.ts';
import { SWEEP_INTERVAL_MS, sweep } from './background/sweep.ts';
import { watchNodes } from './background/watch-nodes.ts';
import { nextEpoch } from './epoch.ts';
import { FuxiMaster } from './master.ts';
import { createExchange } from './ops/exchange.ts';
import { createNodes } from './ops/nodes.ts';
import { Outbox } from './outbox.ts';
import { tellFuxiMaster } from './tell.ts';

export interface FuxiMasterPorts {
  workflows: WorkflowPort;
  log?: Logger;
  /** @default SWEEP_INTERVAL_MS */
  sweepIntervalMs?: number;
}

/** Role `fuxi-master`; infra gives it the port to the workflow engine. */
export async function startFuxiMaster(config: RoleConfig, ports: FuxiMasterPorts): Promise<RunningRole> {
  const { log = createLogger({ role: 'fuxi-master' }) } = ports;
  const { nuwa, leave } = await joinCluster({
    cluster: config.cluster,
    nuwa: config.nuwa,
    creator: FUXI_MASTER_SERVICE,
    identity: config.identity,
    log,
  });
  try {
    const role = await startIn(nuwa, config, { ...ports, log });
    return { ...role, stop: () => role.stop().then(leave) };
  } catch (error) {
    await leave();
    throw error;
  }
}

async function startIn(nuwa: NuwaClient, config: RoleConfig, ports: FuxiMasterPorts & { log: Logger }): Promise<RunningRole> {
  const { workflows, log, sweepIntervalMs = SWEEP_INTERVAL_MS } = ports;
  const closing = new AbortController();
  const { signal } = closing;
  const timing = { clock: systemClock, random: systemRandom };

  const outbox = new Outbox({ workflows, ...timing, log, onGone: (taskMaster) => master.handle({ kind: 'gone', taskMaster }) });
  const master = new FuxiMaster({ epoch: await nextEpoch(nuwa), outbox, log });
  const telling = tellFuxiMaster(master.pool);
  master.onContainers = telling;
  const nodes = await watchNodes({ master, nuwa, log, signal });
  const implementation = implement(fuxiMasterService, { exchange: createExchange(master), nodes: createNodes(master) });
  const server = await serve({
    address: config.listen,
    implementations: [implementation],
    guard: config.guard ?? 'none',
    cluster: config.cluster,
    log,
  });
  const registration = await nuwa.register(FUXI_MASTER_SERVICE, newId('fm'), { address: server.address, pid: process.pid });
  const loops = Promise.all([
    nodes.ended,
    recover({ master, workflows, ...timing, log, signal }),
    sweep({ master, workflows, ...timing, log, signal, intervalMs: sweepIntervalMs }),
  ]);
  log.info({ epoch: master.pool.epoch, address: server.address, nodes: master.pool.nodes.size }, 'fuxi-master.started');

  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await registration.unregister();
    closing.abort();
    outbox.close();
    telling.stop();
    await server.close();
    await loops;
  };
  return { address: server.address, stop: () => (stopping ??= stop()) };
}
