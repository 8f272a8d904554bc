import { connect as connectSocket, type Socket } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { type Logger, silentLogger } from '../../base/log.ts';
import { encodeBody } from '../codec.ts';
import { KuafuError } from '../contract.ts';
import { addressOf } from '../core/address.ts';
import { FRAME_KINDS } from '../core/frame.ts';
import { openingOf } from '../core/proxy-opening.ts';
import { hostOf } from '../core/proxy-route.ts';
import type { TlsMaterial } from '../tls-contract.ts';
import type { OutgoingFrame, Transport } from '../transport.ts';
import { FrameReader } from './frame-reader.ts';
import { machineTls, type Transports, transportsWith } from './index.ts';
import { Outbox } from './outbox.ts';
import { SocketChannel } from './socket-channel.ts';
import { connectThrough } from './sockets.ts';
import { tcpTransport } from './tcp.ts';
import { secureChannel } from './tls.ts';

let proxyOfProcess = 'none';

/** The proxy of all clients that are made from now on and say nothing else: for whoever starts a process, before its roles. */
export function useProxy(address: string): void {
  proxyOfProcess = address;
}

/** The transports of one client: those given, the others through `proxy`, if there is to be one. */
export function transportsThrough(
  proxy: string = proxyOfProcess,
  { tls, transports, log }: { tls?: TlsMaterial; transports?: Transports; log?: Logger },
): Transports {
  return proxy === 'none' ? transportsWith(tls, transports) : { ...proxiedTransports(proxy, { tls, log }), ...transports };
}

/**
 * Channels to other machines through the proxy of this one (proxy/README.md): the process says whom it wants in a first frame, and then speaks with whoever that is,
 * TLS and all. What is on this machine is connected to directly, and so is everything while the proxy is not there.
 */
function proxiedTransports(proxy: string, options: { tls?: TlsMaterial; log?: Logger } = {}): Transports {
  const { tls, log = silentLogger } = options;
  const { path } = addressOf('unix', proxy);
  let absent = false;

  /** Undefined: the proxy is not there. */
  const open = async <C>(connect: () => Promise<C>): Promise<C | undefined> => {
    try {
      const opened = await connect();
      absent = false;
      return opened;
    } catch (error) {
      if (!absent) log.warn({ proxy, err: error }, 'kuafu.proxy.absent');
      absent = true;
      return undefined;
    }
  };

  const plain: Transport = {
    async connect(address, signal) {
      if (isHere(addressOf('tcp', address).host)) return tcpTransport.connect(address, signal);
      const reader = new FrameReader();
      const channel = await open(() =>
        connectThrough(
          proxy,
          signal,
          'connect',
          () => connectSocket({ path, onread: reader.onread }),
          (socket) => new SocketChannel(socket, reader, `${address} through ${proxy}`, { pauses: false }),
        ),
      );
      if (!channel) return tcpTransport.connect(address, signal);
      channel.send(openingFrame(address));
      return channel;
    },
    listen: noListening,
  };
  const secure: Transport = {
    async connect(address, signal) {
      const { host } = addressOf('tls', address);
      const material = tls ?? machineTls();
      if (!material) throw new KuafuError('InvalidRequest', `${address} needs certificates, and here are none`);
      const socket = isHere(host) ? undefined : await open(() => openSocket(path, address, signal));
      return secureChannel(material, address, signal, socket);
    },
    listen: noListening,
  };
  return { tcp: plain, tls: secure };
}

function openingFrame(address: string): OutgoingFrame {
  return { kind: FRAME_KINDS.hello, id: 0, body: encodeBody(openingOf(address)) };
}

/** A socket to the proxy on which the first frame has been sent. */
function openSocket(path: string, address: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ path, signal });
    socket.once('error', reject);
    socket.once('connect', () => {
      const outbox = new Outbox();
      outbox.push(openingFrame(address));
      socket.write(Buffer.concat(outbox.take()), () => {
        socket.off('error', reject);
        resolve(socket);
      });
    });
  });
}

/** Names and numbers of this machine. They are looked up anew for each connection: addresses come and go. */
function isHere(text: string): boolean {
  const host = hostOf(text);
  if (host === 'localhost' || host === hostOf(hostname())) return true;
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === host));
}

const noListening: Transport['listen'] = () => Promise.reject(new KuafuError('InvalidRequest', 'a client does not listen'));
