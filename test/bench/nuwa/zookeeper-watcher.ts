import { connect } from 'node:net';

/**
 * A ZooKeeper session that does one thing: it keeps a persistent, recursive watch (op 106 of ZooKeeper 3.6 and later) and hears of changes. Just enough of
 * the protocol for that: frames with their length before them, big-endian numbers, strings and buffers with their length before them.
 */
const OP_ADD_WATCH = 106;
const OP_PING = 11;
const XID_NOTIFICATION = -1;
const XID_PING = -2;
const MODE_PERSISTENT_RECURSIVE = 1;
const EVENT_CREATED = 1;
const SESSION_MS = 30_000;

/** @param onCreated told of the path of each node that is made. @returns how to end it, once the watch is set. */
export async function watchCreations(endpoint: string, path: string, onCreated: (path: string) => void): Promise<() => void> {
  const [host, port] = endpoint.split(':');
  const socket = connect({ host, port: Number(port) }).setNoDelay(true);
  let rest: Buffer = Buffer.alloc(0);
  let onFrame: (frame: Buffer) => void = () => {};
  socket.on('data', (bytes) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    let at = 0;
    for (; rest.length - at >= 4 && rest.length - at - 4 >= rest.readInt32BE(at); at += 4 + rest.readInt32BE(at)) {
      onFrame(rest.subarray(at + 4, at + 4 + rest.readInt32BE(at)));
    }
    rest = rest.subarray(at);
  });
  const broken = new Promise<never>((_, reject) => {
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`${endpoint} closed the connection`)));
  });
  broken.catch(() => {});
  const reply = (request: Buffer): Promise<Buffer> => {
    const answered = new Promise<Buffer>((resolve) => {
      onFrame = resolve;
    });
    socket.write(framed(request));
    return Promise.race([answered, broken]);
  };

  // protocol version, last zxid seen, timeout, session, password, whether a read-only server will do
  const hello = Buffer.alloc(4 + 8 + 4 + 8 + 4 + 16 + 1);
  hello.writeInt32BE(SESSION_MS, 12);
  hello.writeInt32BE(16, 24);
  await reply(hello);
  const added = await reply(Buffer.concat([ints(1, OP_ADD_WATCH), text(path), ints(MODE_PERSISTENT_RECURSIVE)]));
  const problem = added.readInt32BE(12);
  if (problem !== 0) throw new Error(`${endpoint} does not watch ${path}: error ${problem}`);
  onFrame = (frame) => {
    if (frame.readInt32BE(0) !== XID_NOTIFICATION || frame.readInt32BE(16) !== EVENT_CREATED) return;
    onCreated(frame.toString('utf8', 28, 28 + frame.readInt32BE(24)));
  };
  const pings = setInterval(() => socket.write(framed(ints(XID_PING, OP_PING))), SESSION_MS / 3);
  return () => {
    clearInterval(pings);
    socket.destroy();
  };
}

function framed(payload: Buffer): Buffer {
  return Buffer.concat([ints(payload.length), payload]);
}

function ints(...numbers: number[]): Buffer {
  const bytes = Buffer.alloc(4 * numbers.length);
  for (const [i, number] of numbers.entries()) bytes.writeInt32BE(number, 4 * i);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([ints(bytes.length), bytes]);
}
