import { type Logger, silentLogger } from '../../base/log.ts';
import { createKuafuClient } from '../client.ts';
import { hostOf, type PortRange, type RemoteProxy } from '../core/proxy-route.ts';
import type { Guard, Identity } from '../guard-contract.ts';
import { kuafuProxyService } from '../proxy-contract.ts';
import { implement, serve } from '../server.ts';
import type { TlsMaterial } from '../tls-contract.ts';
import { listenAtPath } from '../transports/unix.ts';
import { Channels } from './channels.ts';
import { open } from './far.ts';
import { NearChannel } from './near.ts';
import { Reaching } from './reach.ts';

export interface ProxyOptions {
  /** For processes of this machine: `unix:///path`; the file is its owner's alone. */
  local: string;
  /** For other proxies: `tcp://host:port` or `tls://host:port`, port 0: any free one. */
  listen: string;
  /** Hosts under which processes of this machine are called. Nothing else is opened for other machines. */
  hosts: readonly string[];
  /** Of the ports of this machine, those that are opened for other machines. @default all */
  ports?: readonly PortRange[];
  /** Proxies of other machines, by host, as they are known now (core/proxy-route.ts, `byHost`). */
  others: () => ReadonlyMap<string, RemoteProxy>;
  /** Which other proxies may ask. */
  guard: Guard | 'none';
  cluster: string;
  /** Whom this one asks other proxies as. */
  identity?: Identity;
  /** Needed where proxies speak TLS. */
  tls?: TlsMaterial;
  log?: Logger;
}

export interface Proxy {
  /** Where it answers other proxies. */
  readonly address: string;
  /** Channels that are open, those from here and those from afar. */
  readonly channels: number;
  /** Takes no more, lets the calls under way finish over the channels that are open, closes. */
  stop(options?: { graceMs?: number }): Promise<void>;
}

/** Channels take a place each: ten thousand processes may well be behind one other machine. */
const CHANNELS_MAX = 65_536;
/** Nobody is told of a channel that is cut, and its calls fail: as long as a server's own grace. */
const GRACE_MS = 5_000;
/** Loopback is this machine, whatever anybody else calls theirs. */
const LOOPBACK = ['localhost', '127.0.0.1', '::1'];

export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const { local, listen, ports = [{ from: 1, to: 65_535 }], others, guard, cluster, identity, tls, log = silentLogger } = options;
  const hosts = new Set(options.hosts.map(hostOf));
  const kuafu = createKuafuClient({ identity, tls, log, proxy: 'none' });
  const reaching = new Reaching({ own: new Set([...hosts, ...LOOPBACK]), others, kuafu, log });
  const channels = new Channels();
  const far = { own: hosts, ports, channels, log };
  const server = await serve({
    address: listen,
    implementations: [implement(kuafuProxyService, { open: (request, context) => open(request, context, far) })],
    guard,
    cluster,
    tls,
    limits: { callsPerConnectionMax: CHANNELS_MAX, callsMax: CHANNELS_MAX },
    log,
  });
  const reach = reaching.reach.bind(reaching);
  const near = await listenAtPath(local, (socket) => void new NearChannel(socket, { reach, channels, log })).catch(
    async (error: unknown) => {
      await server.close({ graceMs: 0 });
      await kuafu.close();
      throw error;
    },
  );
  log.info({ local, address: server.address, hosts: [...hosts] }, 'proxy.started');

  const stop = async (graceMs: number): Promise<void> => {
    // Whoever wants a new channel from now on goes without this proxy; those that are open are told to, each at the end of a frame.
    const closing = near.close();
    const serving = server.close({ graceMs });
    await channels.drain(graceMs);
    await Promise.all([closing, serving]);
    await kuafu.close();
    log.info({}, 'proxy.stopped');
  };
  let stopped: Promise<void> | undefined;
  return {
    address: server.address,
    get channels() {
      return channels.size;
    },
    stop: ({ graceMs = GRACE_MS } = {}) => (stopped ??= stop(graceMs)),
  };
}
