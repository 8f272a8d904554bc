import { connect as connectSocket, type Socket } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { type Clock, systemClock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { type Logger, silentLogger } from '../../base/log.ts';
import { encodeBody } from '../codec.ts';
import { KuafuError } from '../contract.ts';
import { addressOf } from '../core/address.ts';
import { FRAME_KINDS } from '../core/frame.ts';
import { openingOf } from '../core/proxy-opening.ts';
import { hostOf } from '../core/proxy-route.ts';
import type { TlsMaterial } from '../tls-contract.ts';
import type { Channel, Transport } from '../transport.ts';
import { FrameReader, readOn } from './frame-reader.ts';
import { machineTls, type Transports, transportsWith } from './index.ts';
import { Outbox } from './outbox.ts';
import { ProxyAbsent, ProxyWatch } from './proxy-watch.ts';
import { SocketChannel } from './socket-channel.ts';
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
  { tls, transports, log, clock }: { tls?: TlsMaterial; transports?: Transports; log?: Logger; clock?: Clock },
): Transports {
  return proxy === 'none' ? transportsWith(tls, transports) : { ...proxiedTransports(proxy, { tls, log, clock }), ...transports };
}

/**
 * Channels to other machines through the proxy of this one (proxy/README.md): the process says whom it wants in a first frame, and then speaks with whoever that is,
 * TLS and all. What is on this machine is connected to directly, and so is everything while the proxy is not there or stands still (proxy-watch.ts).
 */
function proxiedTransports(proxy: string, options: { tls?: TlsMaterial; log?: Logger; clock?: Clock } = {}): Transports {
  const { tls, log = silentLogger, clock = systemClock } = options;
  const { path } = addressOf('unix', proxy);
  const watch = new ProxyWatch(path, opening(''), { clock, log });

  const plain: Transport = {
    async connect(address, signal) {
      if (isHere(addressOf('tcp', address).host)) return tcpTransport.connect(address, signal);
      const past = (until: AbortSignal): Promise<Channel> => tcpTransport.connect(address, until);
      return watch.connect({ through: (until) => plainChannel(path, address, `${address} through ${proxy}`, until), past }, signal);
    },
    listen: noListening,
  };
  const secure: Transport = {
    async connect(address, signal) {
      const { host } = addressOf('tls', address);
      const material = tls ?? machineTls();
      if (!material) throw new KuafuError('InvalidRequest', `${address} needs certificates, and here are none`);
      const past = (until: AbortSignal): Promise<Channel> => secureChannel(material, address, until);
      if (isHere(host)) return past(signal);
      const through = async (until: AbortSignal): Promise<Channel> =>
        secureChannel(material, address, until, await openSocket(path, address, until));
      return watch.connect({ through, past }, signal);
    },
    listen: noListening,
  };
  return { tcp: plain, tls: secure };
}

/** The first frame to a proxy. An address that is none makes it answer at once that there is nobody. */
function opening(address: string): Buffer {
  const outbox = new Outbox();
  outbox.push({ kind: FRAME_KINDS.hello, id: 0, body: encodeBody(openingOf(address)) });
  return Buffer.concat(outbox.take());
}

/** Resolves with the first bytes that come back, or when it is clear that none will: then its owner hears of that. */
async function plainChannel(path: string, address: string, peer: string, signal: AbortSignal): Promise<Channel> {
  const socket = await openSocket(path, address, signal);
  const reader = new FrameReader();
  const channel = new SocketChannel(socket, reader, peer, { pauses: false });
  await new Promise<void>((resolve, reject) => {
    const abort = (): void => {
      socket.destroy();
      reject(new KuafuError('Unavailable', `no connection to ${peer}: ${messageOf(signal.reason)}`, { cause: signal.reason }));
    };
    signal.addEventListener('abort', abort);
    const heard = (): void => {
      signal.removeEventListener('abort', abort);
      resolve();
    };
    socket.once('readable', heard);
    socket.once('close', heard);
    if (signal.aborted) abort();
  });
  readOn(socket, reader);
  return channel;
}

/** A socket to the proxy on which the first frame has been sent. Rejects with ProxyAbsent. */
function openSocket(path: string, address: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const absent = (error: unknown): void => reject(signal.aborted ? error : new ProxyAbsent(messageOf(error)));
    const socket = connectSocket({ path, signal });
    socket.once('error', absent);
    socket.once('connect', () => {
      socket.write(opening(address), () => {
        socket.off('error', absent);
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
