import type { ListenOptions, Server, Socket } from 'node:net';
import { messageOf } from '../../base/errors.ts';
import { KuafuError } from '../contract.ts';
import type { Channel, Listener } from '../transport.ts';

/** What the transports over sockets share: how one connects, and how one listens. */

/** The kernel's own check for a peer that vanished without a word; calls under way have a quicker one (see client/connection.ts). */
export const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelay: 30_000 };

/** `ready`: the socket's event after which it is one; `channelOf` may still throw what is wrong with the peer. */
export function connectThrough(
  address: string,
  signal: AbortSignal,
  ready: 'connect' | 'secureConnect',
  open: () => Socket,
  channelOf: (socket: Socket) => Channel,
): Promise<Channel> {
  return new Promise((resolve, reject) => {
    let socket: Socket | undefined;
    const fail = (error: unknown): void => {
      signal.removeEventListener('abort', abort);
      socket?.on('error', () => {}).destroy();
      reject(new KuafuError('Unavailable', `no connection to ${address}: ${messageOf(error)}`, { cause: error }));
    };
    const abort = (): void => fail(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort);
    try {
      socket = open();
    } catch (error) {
      return fail(error); // options that are none, such as a key that does not fit its certificate
    }
    socket.once('error', fail);
    // A peer that hangs up within a handshake ends without an error.
    const onEnd = (): void => fail(new Error('the peer closed the connection'));
    socket.once('end', onEnd);
    socket.once(ready, () => {
      signal.removeEventListener('abort', abort);
      socket!.off('error', fail);
      socket!.off('end', onEnd);
      try {
        resolve(channelOf(socket!));
      } catch (error) {
        socket = undefined; // it says why, and closes by itself
        fail(error);
      }
    });
  });
}

/** Resolves once the server listens; `addressOf` reads the address that was bound. */
export function listenThrough(
  address: string,
  server: Server,
  options: ListenOptions,
  addressOf: () => string,
  closed: () => Promise<void> = async () => {},
): Promise<Listener> {
  return new Promise<Listener>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new KuafuError('Unavailable', `cannot listen at ${address}: ${error.message}`, { cause: error })),
    );
    server.listen(options, () => {
      server.removeAllListeners('error');
      server.on('error', () => {}); // a failed accept (such as no descriptors left) fails that connection only
      resolve({
        address: addressOf(),
        close: () => {
          // `server.close` calls back when the last connection has ended; the listening itself ends at once.
          server.close();
          return closed();
        },
      });
    });
  });
}

export function portOf(server: Server): number {
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new TypeError('such a server is bound to a port');
  return bound.port;
}
