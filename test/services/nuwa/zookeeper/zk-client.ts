import { connect, type Socket } from 'node:net';
import { OPS } from '../../../../services/nuwa/zookeeper/protocol.ts';
import { Reader, Writer } from '../../../../services/nuwa/zookeeper/wire.ts';

export interface ZkReply {
  xid: number;
  zxid: number;
  error: number;
  body: Reader;
}

export interface ZkEvent {
  type: number;
  path: string;
}

/** A word of ZooKeeper's administrators, and what the server says to it. */
export function fourLetters(address: string, word: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const at = address.lastIndexOf(':');
    const socket = connect(Number(address.slice(at + 1)), address.slice(0, at));
    let text = '';
    socket
      .on('data', (chunk) => (text += chunk))
      .on('close', () => resolve(text))
      .on('error', reject);
    socket.write(word);
  });
}

/** One figure of `mntr`. */
export async function figure(address: string, name: string): Promise<number> {
  const line = (await fourLetters(address, 'mntr')).split('\n').find((each) => each.startsWith(`${name}\t`));
  if (!line) throw new Error(`mntr tells no ${name}`);
  return Number(line.split('\t')[1]);
}

/** The wire protocol and nothing else: for exact looks at what the door sends, and in which order. */
export class ZkClient {
  readonly #socket: Socket;
  readonly closed: Promise<void>;
  /** Replies and events in the order in which they came. */
  readonly order: (number | ZkEvent)[] = [];
  readonly events: ZkEvent[] = [];
  sessionHex = '';
  password: Buffer = Buffer.alloc(16);
  timeoutMs = 0;
  #rest: Buffer = Buffer.alloc(0);
  #xid = 0;
  #onConnect: ((answer: Reader) => void) | undefined;
  readonly #waiting = new Map<number, (reply: ZkReply) => void>();
  #onEvent: (() => void)[] = [];
  #ended = false;

  constructor(address: string) {
    const at = address.lastIndexOf(':');
    this.#socket = connect(Number(address.slice(at + 1)), address.slice(0, at));
    this.#socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      this.#socket.on('close', () => {
        this.#ended = true;
        resolve();
      });
    });
    this.#socket.on('data', (chunk) => this.#receive(chunk));
  }

  /** @returns whether the session is open. */
  async connect(options: { sessionHex?: string; password?: Uint8Array; timeoutMs?: number; seenZxid?: number } = {}): Promise<boolean> {
    const { seenZxid = 0, sessionHex = '0000000000000000', password = Buffer.alloc(16), timeoutMs = 5_000 } = options;
    const answered = new Promise<Reader | undefined>((resolve) => {
      this.#onConnect = resolve;
      void this.closed.then(() => resolve(undefined));
    });
    this.#send((writer) => {
      writer.int(0);
      writer.long(seenZxid);
      writer.int(timeoutMs);
      writer.longHex(sessionHex);
      writer.buffer(password);
      writer.bool(false);
    });
    const answer = await answered;
    if (!answer) return false;
    answer.int();
    this.timeoutMs = answer.int();
    this.sessionHex = answer.longHex();
    this.password = Buffer.from(answer.buffer());
    return this.timeoutMs > 0;
  }

  request(op: number, body: (writer: Writer) => void = () => {}, xid = ++this.#xid): Promise<ZkReply> {
    const reply = new Promise<ZkReply>((resolve, reject) => {
      this.#waiting.set(xid, resolve);
      void this.closed.then(() => reject(new Error('the connection was closed')));
    });
    reply.catch(() => {});
    this.#send((writer) => {
      writer.int(xid);
      writer.int(op);
      body(writer);
    });
    return reply;
  }

  create(path: string, value: string, flags = 0): Promise<ZkReply> {
    return this.request(OPS.create, (writer) => {
      writer.string(path);
      writer.buffer(Buffer.from(value));
      writer.vector([0], () => {
        writer.int(31);
        writer.string('world');
        writer.string('anyone');
      });
      writer.int(flags);
    });
  }

  set(path: string, value: string, version = -1): Promise<ZkReply> {
    return this.request(OPS.setData, (writer) => {
      writer.string(path);
      writer.buffer(Buffer.from(value));
      writer.int(version);
    });
  }

  get(path: string, watch = false): Promise<ZkReply> {
    return this.request(OPS.getData, (writer) => {
      writer.string(path);
      writer.bool(watch);
    });
  }

  async untilEvents(count: number): Promise<ZkEvent[]> {
    while (this.events.length < count && !this.#ended) await new Promise<void>((resolve) => this.#onEvent.push(resolve));
    return this.events;
  }

  raw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Says that nothing more comes, and waits until the server has ended too. What it had not asked for yet it does not get. */
  async finish(): Promise<void> {
    this.#socket.end();
    await this.closed;
  }

  /** Reads nothing until `resume`. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.destroy();
  }

  #send(body: (writer: Writer) => void): void {
    const writer = new Writer();
    writer.begin();
    body(writer);
    writer.end();
    this.#socket.write(Buffer.concat(writer.take()));
  }

  #receive(chunk: Buffer): void {
    let bytes = Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= 4 && bytes.length >= 4 + bytes.readInt32BE(0)) {
      const end = 4 + bytes.readInt32BE(0);
      this.#packet(new Reader(Buffer.from(bytes.subarray(4, end)), 0, end - 4));
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
  }

  #packet(reader: Reader): void {
    if (this.#onConnect) {
      const answer = this.#onConnect;
      this.#onConnect = undefined;
      return answer(reader);
    }
    const reply = { xid: reader.int(), zxid: reader.long(), error: reader.int(), body: reader };
    if (reply.xid === -1) {
      const type = reader.int();
      reader.int();
      const event = { type, path: reader.string() };
      this.events.push(event);
      this.order.push(event);
      for (const wake of this.#onEvent.splice(0)) wake();
      return;
    }
    this.order.push(reply.xid);
    this.#waiting.get(reply.xid)?.(reply);
    this.#waiting.delete(reply.xid);
  }
}
