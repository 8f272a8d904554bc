import { type Clock, systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { newId } from '../base/ids.ts';
import { createLogger, type Logger } from '../base/log.ts';
import type { RoleConfig, RunningRole } from '../base/role.ts';
import { implement, serve } from '../kuafu/server.ts';
import { joinCluster } from '../nuwa/client.ts';
import { keepAuthority } from './background/keep-authority.ts';
import { openAuthority } from './certificates/authority.ts';
import { authorityFiles } from './certificates/authority-files.ts';
import { openJoinStore } from './certificates/join-store.ts';
import { joinService, ZHONGKUI_JOIN_SERVICE } from './join-contract.ts';
import { createJoinContext } from './ops/join-context.ts';
import { joinHandlers } from './ops/join-handlers.ts';

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
    // A machine that joins has no certificate yet. It can call what is open, and nothing else here is.
    strangers: true,
  });
  // Machines that join do not know Nuwa yet: they are told this address. Those that renew find it there, so it need not be there first.
  const registering = config.nuwa.length === 0 ? undefined : register(config, server.address, clock, log, closing.signal);
  log.info({ address: server.address, roots: (await authority.trusted()).length }, 'zhongkui.started');

  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    closing.abort();
    const registered = await registering;
    // With Nuwa gone there is nobody to tell; the session's end tells the rest.
    if (registered) await Promise.race([registered.unregister(), clock.sleep(UNREGISTER_MS_MAX, undefined, { ref: false })]);
    await server.close();
    await keeping;
    await registered?.leave();
  };
  return { address: server.address, stop: () => (stopping ??= stop()) };
}

interface Registered {
  unregister(): Promise<void>;
  leave(): Promise<void>;
}

/** One try; short, since a process that stops waits for it. */
const REGISTER_MS_MAX = 2_000;
const REGISTER_PAUSE_MS = 1_000;
const UNREGISTER_MS_MAX = 1_000;

/**
 * As soon as Nuwa is there. It may come later: the first of its servers cannot speak TLS before they have joined here. Undefined: the signal came first.
 */
async function register(
  config: RoleConfig,
  address: string,
  clock: Clock,
  log: Logger,
  signal: AbortSignal,
): Promise<Registered | undefined> {
  const { cluster, nuwa, identity } = config;
  const instance = newId('zhongkui');
  while (!signal.aborted) {
    try {
      const member = await joinCluster({ cluster, nuwa, creator: instance, timeoutMs: REGISTER_MS_MAX, identity, log });
      try {
        const registration = await member.nuwa.register(ZHONGKUI_JOIN_SERVICE, instance, { address, pid: process.pid });
        log.info({ instance }, 'zhongkui.registered');
        return { unregister: () => registration.unregister().catch(() => {}), leave: () => member.leave() };
      } catch (error) {
        await member.leave();
        throw error;
      }
    } catch (error) {
      log.warn({ reason: messageOf(error) }, 'zhongkui.unregistered');
      await clock.sleep(REGISTER_PAUSE_MS, signal, { ref: false }).catch(() => {});
    }
  }
  return undefined;
}
