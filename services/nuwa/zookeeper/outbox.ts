import type { Socket } from 'node:net';
import type { DoorFlow } from './flow.ts';
import { replyHeader } from './protocol.ts';
import { Writer } from './wire.ts';

/** Answers leave at the end of the turn, or when they are this much: then whoever does not read is noticed before more is made for it. */
const FLUSH_BYTES = 128 * 1024;

/** What goes out over one connection: all of a turn by one write, and no more answers than the client reads. */
export class Outbox {
  readonly #socket: Socket;
  readonly #flow: DoorFlow;
  readonly #writer = new Writer();
  #flushPlanned = false;
  #ended = false;
  /** What of `socket.writableLength` the flow was told. */
  #countedBytes = 0;
  #stalledAtMs: number | undefined;
  /** Of events, since the client is given no more answers. */
  #eventBytes = 0;

  /** `drained`: the client took all, and is given answers again. */
  constructor(socket: Socket, flow: DoorFlow, drained: () => void) {
    this.#socket = socket;
    this.#flow = flow;
    socket.on('drain', () => {
      this.#count();
      if (this.#stalledAtMs === undefined) return;
      this.#stalledAtMs = undefined;
      this.#eventBytes = 0;
      drained();
    });
  }

  /** Since when the client has more unread than it may: it is given no answers. */
  get stalledAtMs(): number | undefined {
    return this.#stalledAtMs;
  }

  /** A packet of its own kind. */
  packet(write: (writer: Writer) => void): void {
    this.#writer.begin();
    write(this.#writer);
    this.#writer.end();
    this.#written();
  }

  reply(xid: number, zxid: number, error: number, body: ((writer: Writer) => void) | undefined): void {
    this.#writer.begin();
    replyHeader(this.#writer, xid, zxid, error);
    body?.(this.#writer);
    this.#writer.end();
    this.#written();
  }

  /** @returns false: the client was told too much that it does not read. */
  event(packet: Buffer): boolean {
    this.#writer.raw(packet);
    this.#written();
    if (this.#stalledAtMs !== undefined) this.#eventBytes += packet.length;
    return this.#eventBytes <= this.#flow.bounds.eventBytesMax;
  }

  flush(): void {
    if (this.#ended || this.#writer.pending === 0) return;
    const pieces = this.#writer.take();
    if (pieces.length === 1) this.#socket.write(pieces[0]!);
    else {
      this.#socket.cork();
      for (const piece of pieces) this.#socket.write(piece);
      this.#socket.uncork();
    }
    this.#count();
    if (this.#socket.writableLength > this.#flow.unreadBytesMax) this.#stalledAtMs ??= performance.now();
  }

  /** What was written goes out, and nothing after it. */
  end(): void {
    this.flush();
    this.#ended = true;
    this.#flow.countUnread(-this.#countedBytes);
    this.#countedBytes = 0;
  }

  #written(): void {
    if (this.#writer.pending > FLUSH_BYTES) return this.flush();
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    process.nextTick(() => {
      this.#flushPlanned = false;
      this.flush();
    });
  }

  #count(): void {
    if (this.#ended) return;
    const { writableLength } = this.#socket;
    this.#flow.countUnread(writableLength - this.#countedBytes);
    this.#countedBytes = writableLength;
  }
}
