import type { Socket } from 'node:net';
import { sentOf } from '../buffers.ts';
import type { Frame, FrameLimits } from '../core/frame.ts';
import type { Unsent } from '../core/unsent.ts';
import { WaitingFrames } from '../core/waiting-frames.ts';
import { totals } from '../meter.ts';
import type { Channel, ChannelAccounts, ChannelEvents, Detour, OutgoingFrame } from '../transport.ts';
import type { FrameReader } from './frame-reader.ts';
import { byteLength, Outbox } from './outbox.ts';

/** Past this many bytes unread by the peer, frames with large attachments and those of low priority wait. Enough to fill a fast pipe, small enough to cancel what waits. */
const CONGESTED_BYTES = 1024 * 1024;
/**
 * A server reads no more from a peer that leaves this much unread, or a peer that only asks could fill its memory. Callers do not
 * pause: if both ends did, each could wait for the other.
 */
const UNREAD_BYTES_MAX = 64 * 1024 * 1024;
/**
 * So much is written at once, not only when this turn ends: some sixty small calls, whose write costs little more for being one of several, and the peer works on them while
 * the rest of the turn runs here. With 512 calls in flight and a processor for each end that is nearly twice as many calls.
 */
const EAGER_BYTES = 8 * 1024;
/** A frame with an attachment below this is not worth holding back. */
const LARGE_BYTES = 64 * 1024;
/** How long a closed connection may take to send its last bytes. */
const LINGER_MS = 1_000;

/** Frames over one socket, whose bytes come through `reader`. */
export class SocketChannel implements Channel {
  readonly peer: string;
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  readonly #outbox = new Outbox();
  readonly binding: Uint8Array | undefined;
  /** Said by whoever made it go through somebody. */
  detour: Detour | undefined;
  /** What waits for the peer to read. */
  readonly #waiting = new WaitingFrames<OutgoingFrame>();
  /** Stops reading while the peer does not read: see UNREAD_BYTES_MAX. */
  readonly #pauses: boolean;
  #flushQueued = false;
  /** Asked to close, while something still waits. */
  #closing = false;
  #closedReason: string | undefined;
  #events: ChannelEvents | undefined;
  #early: Frame[] = [];
  #unsent: Unsent | undefined;
  /** What this channel counts with there. */
  #counted = 0;

  constructor(socket: Socket, reader: FrameReader, peer: string, { pauses, binding }: { pauses: boolean; binding?: Uint8Array }) {
    this.#pauses = pauses;
    this.binding = binding;
    this.#socket = socket;
    this.#reader = reader;
    this.peer = peer;
    reader.start(
      (frame) => {
        if (this.#closedReason !== undefined) return;
        if (this.#events) this.#events.frame(frame);
        else this.#early.push({ ...frame, body: Buffer.from(frame.body) });
      },
      (problem) => {
        if (this.#closedReason !== undefined) return;
        if (this.#events) this.#events.violated(problem);
        else this.close(problem);
      },
      (header, cause) => {
        if (this.#closedReason === undefined) this.#events?.dropped?.(header, cause);
      },
    );
    socket.on('drain', this.#drained);
    socket.on('error', (error) => this.#closed(error.message));
    // A peer that ends reads no more either: there are no half-open connections here.
    socket.on('end', () => this.#closed(reader.atBoundary ? 'the peer closed the connection' : 'the connection ended within a frame'));
    socket.on('close', () => this.#closed('the connection is closed'));
  }

  get receivedBytes(): number {
    return this.#reader.receivedBytes;
  }

  get unsentBytes(): number {
    return this.#socket.writableLength + this.#outbox.bytes + this.#waiting.bytes;
  }

  get halfRead(): number {
    return this.#socket.isPaused() ? 0 : this.#reader.halfRead;
  }

  start(events: ChannelEvents, accounts?: ChannelAccounts): void {
    this.#events = events;
    this.#reader.account = accounts?.halfRead;
    this.#unsent = accounts?.unsent;
    const early = this.#early;
    this.#early = [];
    for (const frame of early) if (this.#closedReason === undefined) events.frame(frame);
    if (this.#closedReason !== undefined) events.closed(this.#closedReason);
  }

  setLimits(limits: FrameLimits): void {
    this.#reader.limits = limits;
  }

  send(frame: OutgoingFrame): void {
    if (this.#closing || this.#closedReason !== undefined) return;
    if (this.#congested()) {
      const attachmentBytes = byteLength(frame.attachment);
      if (this.#waiting.mustWait(frame, attachmentBytes >= LARGE_BYTES)) {
        this.#waiting.push(frame, frame.body.length + attachmentBytes);
        this.#count();
        if (this.#pauses) this.#maybePause();
        return;
      }
    }
    this.#outbox.push(frame);
    if (this.#outbox.bytes >= EAGER_BYTES && this.#socket.writableLength === 0) this.#write();
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    // After the promises that are ready now have run, so that calls made and answered in this turn share a write.
    process.nextTick(this.#flush);
  }

  withdraw(id: number): boolean {
    return this.#waiting.withdraw(id);
  }

  close(reason?: string): void {
    if (this.#closedReason !== undefined) return;
    if (reason === undefined) {
      this.#closing = true;
      this.#flush();
    } else {
      this.#write();
      this.#closed(reason);
    }
  }

  setReferenced(referenced: boolean): void {
    if (referenced) this.#socket.ref();
    else this.#socket.unref();
  }

  readonly #flush = (): void => {
    this.#flushQueued = false;
    if (this.#closedReason !== undefined) return;
    this.#write();
    while (this.#waiting.size > 0 && this.#socket.writableLength <= CONGESTED_BYTES) {
      this.#outbox.push(this.#waiting.shift()!);
      this.#write();
    }
    if (this.#closing && this.#waiting.size === 0) return this.#closed('closed here');
    this.#count();
    if (this.#pauses) this.#maybePause();
  };

  readonly #drained = (): void => {
    this.#flush();
    this.#events?.roomy?.();
  };

  #maybePause(): void {
    const unreadBytes = this.#socket.writableLength + this.#waiting.bytes;
    // Where all peers together leave too much, each is left less.
    const unreadBytesMax = this.#unsent?.full ? CONGESTED_BYTES : UNREAD_BYTES_MAX;
    if (unreadBytes > unreadBytesMax) this.#socket.pause();
    else if (this.#socket.isPaused() && unreadBytes <= unreadBytesMax / 2) this.#socket.resume();
  }

  #count(): void {
    if (this.#unsent) this.#counted = this.#unsent.count(this.#counted, this.unsentBytes);
  }

  #congested(): boolean {
    return this.#waiting.size > 0 || this.#socket.writableLength + this.#outbox.bytes > CONGESTED_BYTES;
  }

  #write(): void {
    totals.bytesOut += this.#outbox.bytes;
    const pieces = this.#outbox.take();
    if (pieces.length === 0 || !this.#socket.writable) return;
    if (pieces.length === 1) {
      this.#socket.write(pieces[0]!, sentOf(pieces[0]!));
      return;
    }
    this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece, sentOf(piece));
    this.#socket.uncork();
  }

  #closed(reason: string): void {
    if (this.#closedReason !== undefined) return;
    this.#closedReason = reason;
    this.#waiting.clear();
    this.#reader.stop();
    if (this.#unsent) this.#counted = this.#unsent.count(this.#counted, 0);
    // The last words go out and the peer may end in its turn: a socket destroyed with bytes unread would reset the connection and lose them.
    this.#socket.end();
    this.#socket.resume();
    const linger = setTimeout(() => this.#socket.destroy(), LINGER_MS).unref();
    this.#socket.once('close', () => clearTimeout(linger));
    this.#events?.closed(reason);
  }
}
