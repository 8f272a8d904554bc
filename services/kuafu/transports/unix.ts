import { chmod, lstat, unlink } from 'node:fs/promises';
import { connect as connectSocket, createServer, type Socket } from 'node:net';
import { messageOf } from '../../base/errors.ts';
import { KuafuError } from '../contract.ts';
import { addressOf } from '../core/address.ts';
import type { Listener, Transport } from '../transport.ts';
import { FrameReader, readInto } from './frame-reader.ts';
import { SocketChannel } from './socket-channel.ts';
import { connectThrough, listenThrough } from './sockets.ts';

/**
 * Sockets in the file system. Who may connect is who may open the file: it is its owner's alone from its first moment. A process that was killed
 * leaves its file behind; that one is replaced, and one where somebody answers is not.
 */
/** What the kernel holds, less the zero at the end: 108 bytes on Linux, 104 elsewhere. A longer path would be cut, not refused. */
const PATH_BYTES_MAX = process.platform === 'linux' ? 107 : 103;

export const unixTransport: Transport = {
  async connect(address, signal) {
    const path = pathOf(address);
    const reader = new FrameReader();
    return connectThrough(
      address,
      signal,
      'connect',
      () => connectSocket({ path, onread: reader.onread }),
      (socket) => new SocketChannel(socket, reader, address, { pauses: false }),
    );
  },

  async listen(address, onChannel) {
    return listenAtPath(address, (accepted) => {
      const reader = new FrameReader();
      onChannel(new SocketChannel(readInto(accepted, reader), reader, address, { pauses: true }));
    });
  },
};

/** `onSocket` gets each socket that is accepted, paused. */
export async function listenAtPath(address: string, onSocket: (socket: Socket) => void): Promise<Listener> {
  const path = pathOf(address);
  await clearWay(path, address);
  const server = createServer({ pauseOnConnect: true }, onSocket);
  // The file is made within this call; for so long nothing new of this process is open to others.
  const umask = process.umask(0o077);
  let listening: ReturnType<typeof listenThrough>;
  try {
    listening = listenThrough(address, server, { path }, () => address);
  } finally {
    process.umask(umask);
  }
  const listener = await listening;
  await chmod(path, 0o600);
  return listener; // closing removes the file: libuv does
}

function pathOf(address: string): string {
  const { path } = addressOf('unix', address);
  const bytes = Buffer.byteLength(path);
  if (bytes > PATH_BYTES_MAX)
    throw new KuafuError('InvalidRequest', `the path of ${address} has ${bytes} bytes, a socket's has at most ${PATH_BYTES_MAX}`);
  return path;
}

/** Removes the socket of a process that is gone. What is no socket, or is answered, stays and is refused. */
async function clearWay(path: string, address: string): Promise<void> {
  const refuse = (why: string, cause?: unknown): KuafuError =>
    new KuafuError('Unavailable', `cannot listen at ${address}: ${why}`, { cause });
  const found = await lstat(path).catch((error) => {
    if (hasNodeCode(error, 'ENOENT')) return undefined;
    throw refuse(messageOf(error), error);
  });
  if (!found) return;
  if (!found.isSocket()) throw refuse('there is a file that is no socket');
  if (await answers(path)) throw refuse('somebody does already');
  await unlink(path).catch((error) => {
    if (!hasNodeCode(error, 'ENOENT')) throw refuse(messageOf(error), error);
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectSocket({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // Refused: nobody listens. Anything else (no right to ask, a full backlog) is no proof of that.
    socket.once('error', (error) => resolve(!hasNodeCode(error, 'ECONNREFUSED', 'ENOENT')));
  });
}

function hasNodeCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '');
}
