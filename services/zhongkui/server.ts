import { join } from 'node:path';
import { type Clock, systemClock } from '../base/clock.ts';
import { newId } from '../base/ids.ts';
import { createLogger, type Logger } from '../base/log.ts';
import type { RoleConfig, RunningRole } from '../base/role.ts';
import { implement, serve } from '../kuafu/server.ts';
import { joinCluster } from '../nuwa/client.ts';
import { keepAuthority } from './background/keep-authority.ts';
import { openAuthority } from './certificates/authority.ts';
import { openJoinStore } from './certificates/join-store.ts';
import { joinService, ZHONGKUI_JOIN_SERVICE } from './join-contract.ts';
import { createJoinContext } from './ops/join-context.ts';
import { joinHandlers } from './ops/join-handlers.ts';

/** The authority's files below a directory: the role's own, and those that the command on its machine opens beside it. */
export function authorityFiles(directory: string): { authority: string; joins: string } {
  return { authority: join(directory, 'authority'), joins: join(directory, 'joins') };
}

export interface ZhongkuiPorts {
  clock?: Clock;
  log?: Logger;
}

/** Role `zhongkui`: the cluster's certificate authority. One process plays it, on the machine that keeps its files. */
export async function start(
  config: RoleConfig,
  { clock = systemClock, log = createLogger({ role: 'zhongkui' }) }: ZhongkuiPorts = {},
): Promise<RunningRole> {
  const files = authorityFiles(config.dataDir);
  const authority = await openAuthority({ directory: files.authority, cluster: config.cluster, clock });
  const store = await openJoinStore(files.joins);
  const closing = new AbortController();
  const keeping = keepAuthority({ authority, store, clock, log, signal: closing.signal });

  const context = createJoinContext({ authority, store, clock, log });
  const server = await serve({
    address: config.listen,
    implementations: [implement(joinService, joinHandlers(context))],
    guard: config.guard ?? 'none',
    cluster: config.cluster,
    log,
  });
  // Machines that join do not know Nuwa yet: they are told this address. Those that renew find it there.
  const nuwa = config.nuwa.length === 0 ? undefined : await register(config, server.address, log);
  log.info({ address: server.address, roots: (await authority.trusted()).length }, 'zhongkui.started');

  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await nuwa?.unregister();
    closing.abort();
    await server.close();
    await keeping;
    await nuwa?.leave();
  };
  return { address: server.address, stop: () => (stopping ??= stop()) };
}

async function register(
  config: RoleConfig,
  address: string,
  log: Logger,
): Promise<{ unregister(): Promise<void>; leave(): Promise<void> }> {
  const instance = newId('zhongkui');
  const cluster = await joinCluster({ cluster: config.cluster, nuwa: config.nuwa, creator: instance, identity: config.identity, log });
  const registration = await cluster.nuwa.register(ZHONGKUI_JOIN_SERVICE, instance, { address, pid: process.pid });
  return { unregister: () => registration.unregister().catch(() => {}), leave: () => cluster.leave() };
}
