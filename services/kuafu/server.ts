import { type Clock, systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { type Logger, silentLogger } from '../base/log.ts';
import { Alarm } from './alarm.ts';
import { type Implementation, KuafuError, type KuafuServer, type ServiceContract, type ServiceHandlers } from './contract.ts';
import { meterOf, totals } from './meter.ts';
import { type ServedMethods, ServerConnection, type ServerShared } from './server/connection.ts';
import { UnreadAccount } from './streams/unread.ts';
import { type Transports, transportOf } from './transports/index.ts';

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
}

export interface ServeOptions {
  /** `tcp://host:port` (port 0: any free one) or `mem://name`. */
  address: string;
  implementations: readonly Implementation[];
  limits?: ServerLimits;
  log?: Logger;
  clock?: Clock;
  transports?: Transports;
}

/** What is hinted to a caller that was refused: about the time a full server needs to work off a good part of its calls. */
const RETRY_AFTER_MS = 50;

export async function serve(options: ServeOptions): Promise<KuafuServer> {
  const { address, implementations, limits = {}, log = silentLogger, clock = systemClock, transports } = options;
  const connections = new Set<ServerConnection>();
  let onIdle: (() => void) | undefined;
  const alarm = new Alarm(clock);
  const shared: ServerShared = {
    services: new Map(implementations.map((implementation) => [implementation.contract.name, methodsOf(implementation)])),
    callsPerConnectionMax: limits.callsPerConnectionMax ?? 2_048,
    callsMax: limits.callsMax ?? 8_192,
    requestBytesMax: limits.requestBytesMax ?? 512 * 1024 * 1024,
    retryAfterMs: RETRY_AFTER_MS,
    clock,
    alarm,
    log,
    calls: 0,
    requestBytes: 0,
    unread: new UnreadAccount(limits.unreadBytesMax),
    closed(connection) {
      if (connections.delete(connection)) totals.serverConnections--;
      if (connections.size === 0) onIdle?.();
    },
  };

  const listener = await transportOf(address, transports).listen(address, (channel) => {
    const connection = new ServerConnection(channel, shared);
    connections.add(connection);
    totals.serverConnections++;
    connection.start();
  });
  log.info({ address: listener.address, services: [...shared.services.keys()] }, 'kuafu.serving');

  let closing: Promise<void> | undefined;
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
      return handler ? [[name, { method, handler, meter: meterOf('server', contract.name, name) }]] : [];
    }),
  );
}
