import { type Clock, systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { type Logger, silentLogger } from '../base/log.ts';
import { Repeats } from '../base/repeats.ts';
import { Alarm } from './alarm.ts';
import { type Implementation, KuafuError, type KuafuServer, type ServiceContract, type ServiceHandlers } from './contract.ts';
import { HalfRead } from './core/half-read.ts';
import { Unsent } from './core/unsent.ts';
import type { Guard } from './guard-contract.ts';
import { meterOf, totals } from './meter.ts';
import { REFLECTION_SERVICE } from './reflection-contract.ts';
import { Admission } from './server/admission.ts';
import { ServerConnection } from './server/connection.ts';
import { FRAMES_CHECK_MS } from './server/frame-watch.ts';
import { reflectionOf } from './server/reflection.ts';
import type { ServedMethods, ServerShared } from './server/shared.ts';
import { UnreadAccount } from './streams/unread.ts';
import type { TlsMaterial } from './tls-contract.ts';
import type { Channel } from './transport.ts';
import { CompressingChannel } from './transports/compressing-channel.ts';
import { type Transports, transportOf, transportsWith } from './transports/index.ts';
import { refusePeer } from './transports/refuse.ts';

/** Joins a contract with the functions that fulfil it; `serve` takes any number of them. */
export function implement<S extends ServiceContract>(contract: S, handlers: ServiceHandlers<S>): Implementation {
  return { contract, handlers };
}

/**
 * Wraps the functions of a service all of whose calls may be sent again: while what it stands on (`what`) is away, whether this call ran does not
 * matter, and `notRun` lets callers try again until their deadline.
 */
export function unavailableWhile(isAway: (error: unknown) => boolean, what: string) {
  return <Request, Reply>(handle: (request: Request) => Promise<Reply>) =>
    async (request: Request): Promise<Reply> => {
      try {
        return await handle(request);
      } catch (error) {
        if (!isAway(error)) throw error;
        throw new KuafuError('Unavailable', `${what} is away: ${messageOf(error)}`, { cause: error, details: { notRun: true } });
      }
    };
}

/** Past these a server refuses with `Overloaded` rather than queue: the caller knows better what to do with the time. */
export interface ServerLimits {
  /** One peer cannot take the whole server. @default 2_048 */
  callsPerConnectionMax?: number;
  /** @default 8_192 */
  callsMax?: number;
  /** Request bytes of calls under way. @default 512 MiB */
  requestBytesMax?: number;
  /** Messages of all streams that wait for their handlers: from here on windows shrink and no stream is opened, at twice as much streams end. @default 256 MiB */
  unreadBytesMax?: number;
  /** Of frames that have not come whole: a frame for which there is no room is read, not kept, and refused. @default 512 MiB */
  halfReadBytesMax?: number;
  /** Replies and messages that peers do not take: from here on each connection gets little more, and no stream is opened. @default 256 MiB */
  unsentBytesMax?: number;
  /** An idle one takes some 9 KB; more than this many processes of one cluster go through proxies. @default 20_000 */
  connectionsMax?: number;
}

export interface ServeOptions {
  /** `tcp://host:port` or `tls://host:port` (port 0: any free one), `unix:///path` or `mem://name`. */
  address: string;
  implementations: readonly Implementation[];
  /** Who decides which calls may be made. To be said, so that nobody serves unguarded by oversight; `none`: anybody may call anything. */
  guard: Guard | 'none';
  /** The cluster that resources are in and that callers prove themselves to; needed with a guard. */
  cluster?: string;
  limits?: ServerLimits;
  log?: Logger;
  clock?: Clock;
  transports?: Transports;
  /** Needed for `tls://`. */
  tls?: TlsMaterial;
  /** Over TLS, take also peers that show no certificate: who serves what machines need before they have one. @default false */
  strangers?: boolean;
}

/** How long a call whose caller's credentials ended may run on. Each look costs next to nothing, and revocations take longer to spread. */
const CALLERS_CHECK_MS = 10_000;
/** How often it is told how many of a kind there were more. */
const REPEATS_TOLD_MS = 10_000;
/** What is hinted to a caller that was refused: about the time a full server needs to work off a good part of its calls. */
const RETRY_AFTER_MS = 50;

export async function serve(options: ServeOptions): Promise<KuafuServer> {
  const {
    address,
    implementations,
    guard,
    cluster,
    limits = {},
    log = silentLogger,
    clock = systemClock,
    transports,
    tls,
    strangers,
  } = options;
  if (guard !== 'none' && !cluster) throw new Error('a server with a guard belongs to a cluster');
  if (implementations.some(({ contract }) => contract.name === REFLECTION_SERVICE))
    throw new Error(`${REFLECTION_SERVICE} is what every server says about itself`);
  const connections = new Set<ServerConnection>();
  const connectionsMax = limits.connectionsMax ?? 20_000;
  let onIdle: (() => void) | undefined;
  const alarm = new Alarm(clock);
  let closing: Promise<void> | undefined;
  const contracts = implementations.map(({ contract }) => contract);
  const reflection = reflectionOf(contracts, () => (closing ? 'draining' : 'serving'));
  const violations = new Repeats('kuafu.connection.violated', log);
  const refusals = new Repeats('kuafu.connection.refused', log);
  const shared: ServerShared = {
    services: new Map([...implementations, reflection].map((implementation) => [implementation.contract.name, methodsOf(implementation)])),
    callsPerConnectionMax: limits.callsPerConnectionMax ?? 2_048,
    callsMax: limits.callsMax ?? 8_192,
    requestBytesMax: limits.requestBytesMax ?? 512 * 1024 * 1024,
    retryAfterMs: RETRY_AFTER_MS,
    clock,
    alarm,
    log,
    violations,
    admission: guard === 'none' ? undefined : new Admission(guard, cluster!),
    calls: 0,
    requestBytes: 0,
    unread: new UnreadAccount(limits.unreadBytesMax),
    halfRead: new HalfRead(limits.halfReadBytesMax),
    unsent: new Unsent(limits.unsentBytesMax),
    closed(connection) {
      if (connections.delete(connection)) totals.serverConnections--;
      if (connections.size === 0) onIdle?.();
    },
  };

  const onRefused = (peer: string, reason: string): void => refusals.tell(reason, 'warn', { peer, reason });
  const onChannel = (channel: Channel): void => {
    if (connections.size >= connectionsMax) {
      refusePeer(channel, 'too many connections');
      return onRefused(channel.peer, 'too many connections');
    }
    const connection = new ServerConnection(new CompressingChannel(channel), shared);
    connections.add(connection);
    totals.serverConnections++;
    connection.start();
  };
  const listener = await transportOf(address, transportsWith(tls, transports, strangers)).listen(address, onChannel, onRefused);
  log.info({ address: listener.address, services: contracts.map(({ name }) => name) }, 'kuafu.serving');

  const checkCallers = (): void => {
    for (const connection of connections) connection.checkCallers();
    alarm.add({ atMs: clock.monotonicMs() + CALLERS_CHECK_MS, due: checkCallers });
  };
  if (shared.admission) checkCallers();
  const checkFrames = (): void => {
    for (const connection of connections) connection.checkFrame();
    alarm.add({ atMs: clock.monotonicMs() + FRAMES_CHECK_MS, due: checkFrames });
  };
  alarm.add({ atMs: clock.monotonicMs() + FRAMES_CHECK_MS, due: checkFrames });
  const tellRepeats = (): void => {
    for (const repeats of [violations, refusals]) repeats.flush();
    alarm.add({ atMs: clock.monotonicMs() + REPEATS_TOLD_MS, due: tellRepeats });
  };
  tellRepeats();

  const close = async (graceMs: number): Promise<void> => {
    await listener.close();
    const idle = new Promise<void>((resolve) => {
      onIdle = resolve;
    });
    for (const connection of [...connections]) connection.drain();
    const grace = new AbortController();
    if (connections.size > 0) await Promise.race([idle, clock.sleep(graceMs, grace.signal)]).finally(() => grace.abort());
    for (const connection of [...connections]) connection.end();
    alarm.close();
    for (const repeats of [violations, refusals]) repeats.flush();
  };

  return {
    address: listener.address,
    close: ({ graceMs = 5_000 } = {}) => (closing ??= close(graceMs)),
  };
}

function methodsOf({ contract, handlers }: Implementation): ServedMethods {
  return new Map(
    Object.entries(contract.methods).flatMap(([name, method]) => {
      const handler = handlers[name];
      if (!handler) return [];
      return [[name, { what: `${contract.name}.${name}`, method, handler, meter: meterOf('server', contract.name, name) }]];
    }),
  );
}
