import { connect, type Socket, type SocketConnectOpts } from 'node:net';
import { recycleAttachment } from '../buffers.ts';
import { readInto } from '../transports/frame-reader.ts';
import { KEEP_ALIVE } from '../transports/sockets.ts';
import type { Side, SideEvents } from './side.ts';

/** More than this that the peer has not read, and the other side has to wait: enough for a fast socket, little for each of thousands. */
const UNREAD_BYTES_MAX = 256 * 1024;
/** A peer that was told the end, and all before it, may take this long to end too. */
const LINGER_MS = 1_000;
/** All sockets read into one place; what was read is copied out at its size, which costs less than the fresh 64 KiB that Node makes for each read. */
const SCRATCH = Buffer.allocUnsafeSlow(256 * 1024);

/** The socket of a process, as it is: bytes in and bytes out. */
export class SocketSide implements Side {
  /** Resolves when the socket is gone, for whatever reason. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  #events: SideEvents | undefined;
  /** Came before `start`; the socket is paused then. */
  #early: Buffer[] = [];
  #ended = false;
  #over = false;
  #room: Promise<void> | undefined;
  #onRoom: (() => void) | undefined;

  private constructor(open: (reader: Reader) => Socket) {
    this.#socket = open(readerOf((chunk) => this.#read(chunk)));
    this.closed = new Promise((resolve) => this.#socket.once('close', () => resolve()));
    this.#socket.on('drain', () => this.#roomy());
    this.#socket.on('error', (error) => this.#broken(error.message));
    this.#socket.on('end', () => this.#handleEnd());
    this.#socket.on('close', () => this.#broken('the connection is closed'));
  }

  /** A socket that a server with `pauseOnConnect` accepted. */
  static accepted(socket: Socket): SocketSide {
    return new SocketSide((reader) => readInto(socket, reader));
  }

  /** Rejects with why there is no connection. */
  static async connected(target: { host: string; port: number }, signal: AbortSignal): Promise<SocketSide> {
    let socket!: Socket;
    const side = new SocketSide(({ onread }) => {
      const options: SocketConnectOpts = { ...target, noDelay: true, ...KEEP_ALIVE, onread };
      return (socket = connect(options));
    });
    await new Promise<void>((resolve, reject) => {
      const settled = (): void => {
        signal.removeEventListener('abort', abort);
        socket.off('connect', onConnect).off('error', onError);
      };
      const onConnect = (): void => {
        settled();
        resolve();
      };
      const onError = (error: unknown): void => {
        settled();
        socket.destroy();
        reject(error);
      };
      const abort = (): void => onError(signal.reason);
      socket.once('connect', onConnect).once('error', onError);
      signal.addEventListener('abort', abort);
      if (signal.aborted) abort();
    });
    return side;
  }

  start(events: SideEvents): void {
    this.#events = events;
    const early = this.#early;
    this.#early = [];
    const waits = early.map((chunk) => events.bytes(chunk)).filter((room) => room !== undefined);
    if (this.#over) return events.broken('the connection is closed');
    if (this.#ended) return events.ended();
    if (waits.length > 0) this.#resumeAfter(waits.at(-1)!);
    else this.#socket.resume();
  }

  write(chunk: Buffer): Promise<void> | undefined {
    const socket = this.#socket;
    if (this.#over || !socket.writable) return undefined;
    // Only what Kuafu's pool gave out goes back there.
    if (chunk.length < SCRATCH.length / 4) socket.write(chunk);
    else socket.write(chunk, () => recycleAttachment(chunk));
    if (socket.writableLength <= UNREAD_BYTES_MAX) return undefined;
    return (this.#room ??= new Promise((resolve) => {
      this.#onRoom = resolve;
    }));
  }

  end(): void {
    if (this.#over) return;
    this.#socket.end(() => {
      const linger = setTimeout(() => this.#socket.destroy(), LINGER_MS).unref();
      this.#socket.once('close', () => clearTimeout(linger));
    });
  }

  break(): void {
    this.#over = true;
    this.#socket.destroy();
    this.#roomy();
  }

  /** Returns whether the socket is to be read on. */
  #read(chunk: Buffer): boolean {
    if (this.#over) return true;
    if (!this.#events) {
      this.#early.push(chunk);
      return false;
    }
    const room = this.#events.bytes(chunk);
    if (!room) return true;
    this.#resumeAfter(room);
    return false;
  }

  #resumeAfter(room: Promise<void>): void {
    this.#socket.pause();
    room.then(() => {
      if (!this.#over) this.#socket.resume();
    });
  }

  #handleEnd(): void {
    this.#ended = true;
    if (!this.#over) this.#events?.ended();
  }

  #broken(reason: string): void {
    this.#roomy();
    if (this.#over) return;
    this.#over = true;
    // After its end a socket closes by itself, and nothing is wrong.
    if (!this.#ended) this.#events?.broken(reason);
  }

  #roomy(): void {
    this.#room = undefined;
    this.#onRoom?.();
  }
}

type Reader = Parameters<typeof readInto>[1];

function readerOf(read: (chunk: Buffer) => boolean): Reader {
  return {
    onread: { buffer: () => SCRATCH, callback: (bytes) => read(Buffer.from(SCRATCH.subarray(0, bytes))) },
    read,
  };
}
