import { Socket } from 'node:net';
import { takeAttachmentBuffer } from '../buffers.ts';
import { type Frame, type FrameHeader, type FrameLimits, HELLO_LIMITS } from '../core/frame.ts';
import { type DropCause, FrameParser } from '../core/frame-parser.ts';
import type { HalfRead } from '../core/half-read.ts';
import { totals } from '../meter.ts';

/**
 * Reads a socket into frames without a fresh buffer for each read.
 *
 * A Node socket that emits `data` allocates 64 KiB for each read, and all that memory is seen by the garbage collector: at
 * several hundred MB/s it does little else. With `onread` the socket asks where to read to: into the attachment that is
 * under way, or else into one scratch buffer that all sockets of the process share, since what is read is parsed before the next read.
 */
const SCRATCH = Buffer.allocUnsafeSlow(64 * 1024);
/** Reading less than this straight into an attachment would cost a system call more than copying it. */
const DIRECT_BYTES_MIN = 16 * 1024;

export class FrameReader {
  receivedBytes = 0;
  readonly #parser: FrameParser;
  #direct = false;
  #onFrame!: (frame: Frame) => void;
  #onViolation!: (problem: string) => void;
  #onDropped: (header: FrameHeader, cause: DropCause) => void = () => {};
  /** For the options of a socket. */
  readonly onread: { buffer: () => Uint8Array; callback: (bytes: number, buffer: Uint8Array) => boolean };

  constructor() {
    this.#parser = new FrameParser((frame) => this.#onFrame(frame), {
      limits: HELLO_LIMITS,
      allocate: takeAttachmentBuffer,
      onDropped: (header, cause) => this.#onDropped(header, cause),
    });
    this.onread = {
      buffer: () => {
        const target = this.#parser.target(DIRECT_BYTES_MIN);
        this.#direct = target !== undefined;
        return target ?? SCRATCH;
      },
      callback: (bytes) => {
        if (this.#direct) {
          this.receivedBytes += bytes;
          totals.bytesIn += bytes;
          const violation = this.#parser.advance(bytes);
          if (violation !== undefined) this.#onViolation(violation);
        } else this.read(SCRATCH.subarray(0, bytes));
        return true;
      },
    };
  }

  get atBoundary(): boolean {
    return this.#parser.atBoundary;
  }

  /** Which frame is half read, see FrameParser. */
  get halfRead(): number {
    return this.#parser.halfRead;
  }

  set limits(limits: FrameLimits) {
    this.#parser.limits = limits;
  }

  set account(account: HalfRead | undefined) {
    this.#parser.account = account;
  }

  /** Before the first read. */
  start(
    onFrame: (frame: Frame) => void,
    onViolation: (problem: string) => void,
    onDropped: (header: FrameHeader, cause: DropCause) => void = () => {},
  ): void {
    this.#onFrame = onFrame;
    this.#onViolation = onViolation;
    this.#onDropped = onDropped;
  }

  /** What comes from now on is not kept. */
  stop(): void {
    this.#parser.stop();
  }

  read(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    totals.bytesIn += chunk.length;
    const violation = this.#parser.push(chunk);
    if (violation !== undefined) this.#onViolation(violation);
  }
}

/**
 * The same for a socket that a server accepted (with `pauseOnConnect`): Node offers `onread` only to sockets that connect, so the
 * connection is moved to a new Socket. Where a version of Node no longer has what that takes, the accepted socket is used as it is, only slower.
 */
export function readInto(accepted: Socket, reader: { readonly onread: FrameReader['onread']; read(chunk: Buffer): void }): Socket {
  const handle = (accepted as { _handle?: { useUserBuffer?: unknown } })._handle;
  if (typeof handle?.useUserBuffer !== 'function') {
    accepted.on('data', (chunk: Buffer) => reader.read(chunk));
    accepted.resume();
    return accepted;
  }
  (accepted as { _handle?: unknown })._handle = null;
  accepted.destroy(); // without its handle it only leaves the server's count
  return new Socket({ handle, onread: reader.onread, readable: true, writable: true } as ConstructorParameters<typeof Socket>[0]);
}

/**
 * The same for a socket that is read already and cannot be moved, such as the server's side of a TLS connection, for the session is bound to it. Node asks each
 * socket where to read to under three symbols that every socket has, and those can be set. Where they are not found it is read as it is.
 */
export function readOn(socket: Socket, reader: FrameReader): void {
  const { _handle: handle } = socket as { _handle?: { useUserBuffer?: (buffer: Uint8Array) => void } };
  const [buffer, generator, callback] = ['kBuffer', 'kBufferGen', 'kBufferCb'].map((name) =>
    Object.getOwnPropertySymbols(socket).find(({ description }) => description === name),
  );
  if (!buffer || !generator || !callback || typeof handle?.useUserBuffer !== 'function') {
    socket.on('data', (chunk: Buffer) => reader.read(chunk));
    return;
  }
  // What came before.
  for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) reader.read(chunk);
  const first = reader.onread.buffer();
  Object.assign(socket, { [buffer]: first, [generator]: reader.onread.buffer, [callback]: reader.onread.callback });
  handle.useUserBuffer(first);
  socket.resume();
}
