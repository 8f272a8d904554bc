import { connect as connectSocket, createServer } from 'node:net';
import { messageOf } from '../../base/errors.ts';
import { reachableHost } from '../../base/reachable-host.ts';
import { KuafuError } from '../contract.ts';
import { formatTcpAddress, parseAddress } from '../core/address.ts';
import type { Listener, Transport } from '../transport.ts';
import { FrameReader, readInto } from './frame-reader.ts';
import { TcpChannel } from './tcp-channel.ts';

/** The kernel's own check for a peer that vanished without a word; calls under way have a quicker one (see connection.ts). */
const KEEP_ALIVE_MS = 30_000;

export const tcpTransport: Transport = {
  connect(address, signal) {
    const { host, port } = tcpAddress(address);
    return new Promise((resolve, reject) => {
      const reader = new FrameReader();
      const socket = connectSocket({
        host,
        port,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_MS,
        onread: reader.onread,
      });
      const fail = (error: unknown): void => {
        signal.removeEventListener('abort', abort);
        socket.destroy();
        reject(new KuafuError('Unavailable', `no connection to ${address}: ${messageOf(error)}`, { cause: error }));
      };
      const abort = (): void => fail(signal.reason);
      signal.addEventListener('abort', abort);
      socket.once('error', fail);
      socket.once('connect', () => {
        signal.removeEventListener('abort', abort);
        socket.off('error', fail);
        resolve(new TcpChannel(socket, reader, address, { pauses: false }));
      });
      if (signal.aborted) abort();
    });
  },

  listen(address, onChannel) {
    const { host, port } = tcpAddress(address);
    const server = createServer(
      { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS, pauseOnConnect: true },
      (accepted) => {
        const reader = new FrameReader();
        const socket = readInto(accepted, reader);
        onChannel(
          new TcpChannel(socket, reader, formatTcpAddress(socket.remoteAddress ?? 'unknown', socket.remotePort ?? 0), { pauses: true }),
        );
      },
    );
    return new Promise<Listener>((resolve, reject) => {
      server.once('error', (error) =>
        reject(new KuafuError('Unavailable', `cannot listen at ${address}: ${error.message}`, { cause: error })),
      );
      server.listen({ host, port }, () => {
        server.removeAllListeners('error');
        server.on('error', () => {}); // a failed accept (such as no descriptors left) fails that connection only
        const bound = server.address();
        if (bound === null || typeof bound === 'string') throw new TypeError('a tcp server is bound to a port');
        resolve({
          address: formatTcpAddress(reachableHost(host), bound.port),
          close: () => {
            // `server.close` calls back when the last connection has ended; the listening itself ends at once.
            server.close();
            return Promise.resolve();
          },
        });
      });
    });
  },
};

function tcpAddress(address: string): { host: string; port: number } {
  const parsed = parseAddress(address);
  if (parsed.scheme !== 'tcp') throw new KuafuError('InvalidRequest', `not a tcp:// address: ${address}`);
  return parsed;
}
