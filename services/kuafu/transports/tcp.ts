import { connect as connectSocket, createServer } from 'node:net';
import { reachableHost } from '../../base/reachable-host.ts';
import { addressOf, formatAddress } from '../core/address.ts';
import type { Transport } from '../transport.ts';
import { FrameReader, readInto } from './frame-reader.ts';
import { SocketChannel } from './socket-channel.ts';
import { connectThrough, KEEP_ALIVE, listenThrough, portOf } from './sockets.ts';

export const tcpTransport: Transport = {
  async connect(address, signal) {
    const { host, port } = addressOf('tcp', address);
    const reader = new FrameReader();
    return connectThrough(
      address,
      signal,
      'connect',
      () => connectSocket({ host, port, noDelay: true, ...KEEP_ALIVE, onread: reader.onread }),
      (socket) => new SocketChannel(socket, reader, address, { pauses: false }),
    );
  },

  async listen(address, onChannel) {
    const { host, port } = addressOf('tcp', address);
    const server = createServer({ noDelay: true, ...KEEP_ALIVE, pauseOnConnect: true }, (accepted) => {
      const reader = new FrameReader();
      const socket = readInto(accepted, reader);
      const peer = formatAddress('tcp', socket.remoteAddress ?? 'unknown', socket.remotePort ?? 0);
      onChannel(new SocketChannel(socket, reader, peer, { pauses: true }));
    });
    return listenThrough(address, server, { host, port }, () => formatAddress('tcp', reachableHost(host), portOf(server)));
  },
};
