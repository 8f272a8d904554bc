import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket, connect as tcpConnect } from 'node:net';
import { connect as tlsConnect, createServer as tlsServer } from 'node:tls';
import type { CertificateFiles } from '../certificate.ts';
import { MESSAGE_BYTES, PAYLOAD_BYTES, type System } from '../systems.ts';

/**
 * The bound: sockets without any protocol. A connection's first byte says what it is for: `e` sends back what comes, `u` takes a number of bytes and then says
 * so, `d` gives a number of bytes. A call is a frame of PAYLOAD_BYTES and a length of 4; calls of one turn share a write; answers come in order.
 */
const FRAME_BYTES = 4 + PAYLOAD_BYTES;
/** The mode, and a number of bytes. */
const HEAD_BYTES = 9;

export function raw({ tls }: { tls?: CertificateFiles }): System {
  const open = async (head: Buffer): Promise<Socket> => {
    const [host, port] = ['127.0.0.1', Number(address)];
    const ca = tls && readFileSync(tls.certFile);
    const socket = tls
      ? tlsConnect({ host, port, ca, servername: 'localhost', minVersion: 'TLSv1.3' })
      : tcpConnect({ host, port, noDelay: true });
    await once(socket, tls ? 'secureConnect' : 'connect');
    socket.setNoDelay(true);
    socket.write(head);
    return socket;
  };
  let address = '';

  return {
    async serve() {
      const server = tls
        ? tlsServer({ key: readFileSync(tls.keyFile), cert: readFileSync(tls.certFile), minVersion: 'TLSv1.3', noDelay: true }, answer)
        : createServer({ noDelay: true }, answer);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return `${(server.address() as AddressInfo).port}`;
    },

    async connect(port) {
      address = port;
      const unary = pipelined(await open(headOf('e', 0)));
      const big = Buffer.alloc(MESSAGE_BYTES, 7);
      return {
        unary,
        async up(messages) {
          const socket = await open(headOf('u', messages * MESSAGE_BYTES));
          const taken = once(socket, 'data');
          await writeTimes(socket, big, messages);
          await taken;
          socket.destroy();
        },
        async down(messages) {
          const socket = await open(headOf('d', messages * MESSAGE_BYTES));
          let got = 0;
          socket.on('data', (chunk: Buffer) => (got += chunk.length));
          await once(socket, 'end');
          if (got !== messages * MESSAGE_BYTES) throw new Error(`${got} bytes came`);
        },
      };
    },
  };
}

function headOf(mode: string, bytes: number): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.write(mode);
  head.writeDoubleBE(bytes, 1);
  return head;
}

function answer(socket: Socket): void {
  socket.on('error', () => socket.destroy());
  socket.once('data', (first: Buffer) => {
    const mode = String.fromCharCode(first[0]!);
    const bytes = first.readDoubleBE(1);
    let got = first.length - HEAD_BYTES;
    if (mode === 'e') {
      if (got > 0) socket.write(first.subarray(HEAD_BYTES));
      socket.on('data', (chunk: Buffer) => socket.write(chunk));
    } else if (mode === 'u') {
      socket.on('data', (chunk: Buffer) => {
        got += chunk.length;
        if (got === bytes) socket.end('k');
      });
    } else {
      writeTimes(socket, Buffer.alloc(MESSAGE_BYTES, 7), bytes / MESSAGE_BYTES).then(
        () => socket.end(),
        () => {}, // the caller is gone
      );
    }
  });
}

async function writeTimes(socket: Socket, bytes: Buffer, times: number): Promise<void> {
  for (let i = 0; i < times; i++) if (!socket.write(bytes)) await once(socket, 'drain');
}

function pipelined(socket: Socket): () => Promise<void> {
  const frame = Buffer.alloc(FRAME_BYTES, 1);
  let waiting: (() => void)[] = [];
  let answered = 0;
  let gotBytes = 0;
  let queued = 0;
  const flush = (): void => {
    const frames = queued;
    queued = 0;
    socket.write(frames === 1 ? frame : Buffer.concat(new Array<Buffer>(frames).fill(frame)));
  };
  socket.on('data', (chunk: Buffer) => {
    for (gotBytes += chunk.length; gotBytes >= FRAME_BYTES; gotBytes -= FRAME_BYTES) waiting[answered++]!();
    if (answered === waiting.length || answered > 65_536) {
      waiting = waiting.slice(answered);
      answered = 0;
    }
  });
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      if (queued++ === 0) setImmediate(flush);
    });
}
