import { systemClock } from '../base/clock.ts';
import { createLogger, type Logger } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import type { RoleConfig, RunningRole, StartRole } from '../base/role.ts';
import { implement, serve } from '../kuafu/server.ts';
import { tellAddress } from './background/tell-address.ts';
import { nuwaService } from './contract.ts';
import { MEMBER_TIMING, Member } from './core/member/member.ts';
import { LEASE_MS } from './core/member/settings.ts';
import type { GroupConfig } from './core/raft/types.ts';
import type { RingBounds } from './core/tree/event-ring.ts';
import { Founder } from './group/founding.ts';
import { Group } from './group/group.ts';
import { handOver } from './group/hand-over.ts';
import { refusalOf } from './group/part.ts';
import { beginGroup, campaignWhileLeaderless, untilReady } from './group/start.ts';
import { openStorage } from './log/storage.ts';
import { Answers } from './ops/answers.ts';
import type { NuwaContext } from './ops/context.ts';
import { handlersOf } from './ops/handlers.ts';
import { type PeerReceiver, peerHandlers } from './peer/handlers.ts';
import { nuwaPeerService } from './peer-contract.ts';
import { tellNuwa } from './tell.ts';
import { Watchers } from './watchers.ts';
import { type KeptDoor, keepZookeeperDoor } from './zookeeper/keep-door.ts';

export const start: StartRole = (config) => startNuwa(config);

/** Polls are woken first, so calls under way are short ones. */
const CLOSE_GRACE_MS = 2_000;
/** Watchers wait in a call each, and there are many; peers must never be refused for their sake. */
const LIMITS = { callsPerConnectionMax: 16_384, callsMax: 131_072 };
/** Of a server that is a group of its own. */
const ALONE_ID = 'nuwa-1';

export interface NuwaOptions {
  log?: Logger;
  /** The log is replaced by a snapshot when it passes this. @default 32 MiB */
  logBytesMax?: number;
  ring?: RingBounds;
  /** Reads by lease (core/raft/lease.ts), on every server of the group alike. @default that of the role's configuration, else false */
  leaseReads?: boolean;
  /** @default openStorage */
  open?: typeof openStorage;
}

export async function startNuwa(
  config: Pick<RoleConfig, 'cluster' | 'dataDir' | 'listen' | 'nuwaServer' | 'guard' | 'identity'>,
  options: NuwaOptions = {},
): Promise<RunningRole & { address: string; group: Group }> {
  const { cluster, dataDir, listen, nuwaServer, guard = 'none', identity } = config;
  const id = nuwaServer?.id ?? ALONE_ID;
  const log = options.log ?? createLogger({ role: 'nuwa', cluster, server: id });
  const clock = systemClock;
  const { open = openStorage } = options;
  const storage = await open({ dir: dataDir, initialConfig: firstConfig(config, id), logBytesMax: options.logBytesMax }, log);
  const { state, events } = storage.takeLoaded();
  const member = new Member({
    id,
    boot: clock.nowMs(),
    stored: storage.stored,
    loaded: { state, events },
    random: systemRandom,
    ring: options.ring,
    ...((options.leaseReads ?? nuwaServer?.leaseReads) ? { timing: { ...MEMBER_TIMING, leaseMs: LEASE_MS } } : {}),
  });
  const group = new Group({ cluster, member, storage, clock, identity, log });
  const watchers = new Watchers();
  group.onEvents((events) => watchers.tell(events));
  group.onEventsMissed(() => watchers.wakeAll());
  group.onTick(() => {
    if (group.cutOff) watchers.wakeAll();
  });
  group.leaving.addEventListener('abort', () => watchers.wakeAll());

  const stopping = new AbortController();
  const { snapshot } = storage.stored;
  const begins = snapshot.index === 0 ? snapshot.config : { members: [] };
  const founder = new Founder({ cluster, id, begins, birth: storage.birth, clock, identity, log });
  let door: KeptDoor | undefined;
  const nuwa: NuwaContext = { group, watchers, clock, founder, answers: new Answers(), zookeeper: () => door };
  const receiver: PeerReceiver = {
    cluster,
    id,
    leaving: group.leaving,
    receive: group.receive.bind(group),
    claim: founder.answer.bind(founder),
    consent: () => storage.birth.becomeVoter(),
  };
  const implementations = [implement(nuwaService, handlersOf(nuwa)), implement(nuwaPeerService, peerHandlers(receiver))];
  const server = await serve({ address: listen, implementations, guard, cluster, limits: LIMITS, log }).catch(async (error: unknown) => {
    await storage.close();
    throw error;
  });

  const telling = tellNuwa({ group, watchers, storage });
  const giveUp = async (error: unknown): Promise<never> => {
    stopping.abort();
    telling.stop();
    await group.stop();
    await server.close({ graceMs: 0 });
    await storage.close();
    throw error;
  };
  const takePart = (): void => {
    group.start(server.address);
    campaignWhileLeaderless(group);
  };
  if (storage.birth.mayVote || begins.members.length === 0) takePart();
  else await beginGroup(founder, group, takePart, stopping.signal).catch(giveUp);
  await untilReady(group);
  if (nuwaServer?.zookeeper !== undefined)
    door = await keepZookeeperDoor({ group, listen: nuwaServer.zookeeper, clock, log }).catch(giveUp);
  const moving = tellAddress({ group, address: server.address, clock, identity, log, signal: stopping.signal });
  log.info({ address: server.address, index: group.state.index, members: group.config.members.length }, 'nuwa.started');

  const stop = async (): Promise<void> => {
    await handOver(group, clock, log);
    stopping.abort();
    telling.stop();
    watchers.close();
    await door?.close();
    await moving;
    // In a larger group what is under way here is answered by the others; alone, nobody else will answer it.
    if (!group.alone) await group.stop();
    await server.close({ graceMs: CLOSE_GRACE_MS });
    await group.stop();
    await storage.close();
    log.info({ revision: group.state.revision }, 'nuwa.stopped');
  };
  let stopped: Promise<void> | undefined;
  return { address: server.address, group, over: refusalOf(group.leaving), stop: () => (stopped ??= stop()) };
}

/** The group that a server without files begins with. */
function firstConfig({ listen, nuwaServer }: Pick<RoleConfig, 'listen' | 'nuwaServer'>, id: string): GroupConfig {
  const members = nuwaServer?.members ?? [{ id, address: listen }];
  return { members: members.map(({ id, address }) => ({ id, address, role: 'voter' as const })).sort((a, b) => (a.id < b.id ? -1 : 1)) };
}
