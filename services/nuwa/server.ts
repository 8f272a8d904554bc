import { systemClock } from '../base/clock.ts';
import { createLogger, type Logger } from '../base/log.ts';
import type { RoleConfig, RunningRole, StartRole } from '../base/role.ts';
import { implement, serve } from '../kuafu/server.ts';
import { expireSessions } from './background/expire-sessions.ts';
import { nuwaService } from './contract.ts';
import { closeSession } from './ops/close-session.ts';
import type { NuwaContext } from './ops/context.ts';
import { create } from './ops/create.ts';
import { deleteNode } from './ops/delete.ts';
import { get } from './ops/get.ts';
import { keepAlive } from './ops/keep-alive.ts';
import { list } from './ops/list.ts';
import { openSession } from './ops/open-session.ts';
import { poll } from './ops/poll.ts';
import { set } from './ops/set.ts';
import { Replica, type ReplicaOptions } from './replica.ts';
import { SessionClock } from './session-clock.ts';
import { tellNuwa } from './tell.ts';
import { Watchers } from './watchers.ts';

export const start: StartRole = (config) => startNuwa(config);

/** Polls are woken first, so calls under way are short ones. */
const CLOSE_GRACE_MS = 2_000;

export async function startNuwa(
  config: Pick<RoleConfig, 'cluster' | 'dataDir' | 'listen'>,
  options: { log?: Logger; replica?: Pick<ReplicaOptions, 'logBytesMax' | 'ring'> } = {},
): Promise<RunningRole & { address: string }> {
  const log = options.log ?? createLogger({ role: 'nuwa', cluster: config.cluster });
  const clock = systemClock;
  const replica = await Replica.open({ dir: config.dataDir, log, clock, ...options.replica });
  const sessions = new SessionClock();
  const watchers = new Watchers();
  replica.onEvents = (events) => watchers.tell(events);
  const telling = tellNuwa({ replica, watchers });
  const nuwa: NuwaContext = { replica, sessions, watchers, clock };

  const implementation = implement(nuwaService, {
    openSession: openSession(nuwa),
    keepAlive: keepAlive(nuwa),
    closeSession: closeSession(nuwa),
    create: create(nuwa),
    set: set(nuwa),
    delete: deleteNode(nuwa),
    get: get(nuwa),
    list: list(nuwa),
    poll: poll(nuwa),
  });
  const server = await serve({ address: config.listen, implementations: [implementation], log }).catch(async (error: unknown) => {
    telling.stop();
    await replica.close();
    throw error;
  });

  const stopping = new AbortController();
  const expiring = expireSessions({ replica, sessions, clock, log, signal: stopping.signal, onExpired: telling.sessionExpired });
  const stop = async (): Promise<void> => {
    stopping.abort();
    telling.stop();
    watchers.close();
    await server.close({ graceMs: CLOSE_GRACE_MS });
    await expiring;
    await replica.close();
    log.info({ revision: replica.state.revision }, 'nuwa.stopped');
  };
  let stopped: Promise<void> | undefined;
  return { address: server.address, stop: () => (stopped ??= stop()) };
}
