import { createServer } from 'node:net';
import type { Logger } from '../../base/log.ts';
import type { NuwaGroup } from '../group/port.ts';
import { Shares } from '../shares.ts';
import { Connection } from './connection.ts';
import { DoorFlow, type FlowBounds } from './flow.ts';
import { Latency } from './latency.ts';
import { DoorWatches, type WatchBounds } from './watches.ts';

/** What the connections of one door share. */
export interface DoorShared {
  readonly group: NuwaGroup;
  readonly log: Logger;
  readonly watches: DoorWatches;
  readonly connections: ReadonlySet<Connection>;
  /** Reads are answered from what is applied here, which may be old, as ZooKeeper's are. */
  readonly localReads: boolean;
  /** Bounds of the TTL that clients may ask for. */
  readonly ttlMs: { readonly min: number; readonly max: number };
  readonly flow: DoorFlow;
  readonly shares: Shares;
  readonly latency: Latency;
  /** Packets and answers so far. */
  received: number;
  sent: number;
  opened(connection: Connection): void;
  closed(connection: Connection, why: string): void;
}

export interface DoorOptions {
  group: NuwaGroup;
  /** `host:port`; port 0: any free one. */
  listen: string;
  log: Logger;
  /** @default linearizable */
  reads?: 'linearizable' | 'local';
  /** Past it connections are closed at once. @default 20_000 */
  connectionsMax?: number;
  /** @default FLOW_BOUNDS */
  flow?: Partial<FlowBounds>;
  /** @default WATCH_BOUNDS */
  watches?: Partial<WatchBounds>;
}

export interface Door {
  readonly address: string;
  watches(): number;
  close(): Promise<void>;
}

const CONNECTIONS_MAX = 20_000;
const TTL_MS = { min: 1_000, max: 120_000 };
/** Who connects says within this time who it is. */
const GREETING_MS_MAX = 10_000;
const LOOK_EVERY_MS = 500;
/** A server that follows nobody for this long sends its clients to others: as long as it does, their sessions are not kept alive. */
const ALONE_MS_MAX = 2_000;

/** Speaks the ZooKeeper protocol over the tree of a group. @returns where, and how to stop. */
export async function startZookeeperDoor(options: DoorOptions): Promise<Door> {
  const { group, listen, log, reads = 'linearizable', connectionsMax = CONNECTIONS_MAX } = options;
  const connections = new Set<Connection>();
  const sessions = new Map<string, Connection>();
  const shared: DoorShared = {
    group,
    log,
    watches: new DoorWatches(options.watches),
    connections,
    localReads: reads === 'local',
    ttlMs: TTL_MS,
    flow: new DoorFlow(options.flow),
    shares: new Shares(),
    latency: new Latency(),
    received: 0,
    sent: 0,
    opened(connection) {
      // The client came back before its old connection was seen to be broken.
      sessions.get(connection.session)?.close('its session went to another connection');
      sessions.set(connection.session, connection);
    },
    closed(connection, why) {
      connections.delete(connection);
      if (sessions.get(connection.session) === connection) sessions.delete(connection.session);
      log.debug({ peer: connection.peer, why }, 'nuwa.zookeeper.closed');
    },
  };

  const server = createServer({ noDelay: true }, (socket) => {
    if (connections.size >= connectionsMax) return void socket.destroy();
    const connection = new Connection(socket, shared);
    connections.add(connection);
    setTimeout(() => {
      if (connection.greeting) connection.close('it did not say who it is');
    }, GREETING_MS_MAX).unref();
  });
  await new Promise<void>((resolve, reject) => {
    const { host, port } = parseListen(listen);
    server.once('error', reject);
    server.listen({ host, port, backlog: 4_096 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', (error) => log.error({ err: error }, 'nuwa.zookeeper.listen-failed'));

  const closeAll = (why: string): void => {
    for (const connection of [...connections]) connection.close(why);
  };
  const offEvents = group.onEvents((events) => shared.watches.tell(events, group.state));
  const offMissed = group.onEventsMissed(() => closeAll('changes were missed here'));
  let aloneSinceMs: number | undefined;
  const looking = setInterval(() => {
    const nowMs = performance.now();
    for (const connection of [...connections]) connection.look(nowMs);
    const alone = !group.writable || group.status().leader === undefined;
    aloneSinceMs = alone ? (aloneSinceMs ?? nowMs) : undefined;
    if (aloneSinceMs !== undefined && nowMs - aloneSinceMs > ALONE_MS_MAX) closeAll('this server follows nobody');
  }, LOOK_EVERY_MS);
  looking.unref();

  const address = server.address() as { address: string; port: number };
  log.info({ address: `${address.address}:${address.port}`, reads }, 'nuwa.zookeeper.serving');
  return {
    address: `${address.address}:${address.port}`,
    watches: () => shared.watches.size,
    close: async () => {
      clearInterval(looking);
      offEvents();
      offMissed();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      closeAll('the server is stopping');
      await closed;
    },
  };
}

/** Errors: it is no host and port. */
export function parseListen(listen: string): { host: string; port: number } {
  const at = listen.lastIndexOf(':');
  const port = Number(listen.slice(at + 1));
  if (at < 1 || !Number.isInteger(port) || port < 0 || port > 65_535) throw new Error(`${listen} is no host:port`);
  return { host: listen.slice(0, at).replace(/^\[|\]$/g, ''), port };
}
