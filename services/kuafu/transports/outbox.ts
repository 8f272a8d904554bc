import { HEADER_BYTES, writeHeader } from '../core/frame.ts';
import type { OutgoingFrame } from '../transport.ts';

/**
 * Frames on their way to a socket. Speed comes from few writes: small pieces are copied one after the other into a slab, so that
 * all small frames of a turn become one piece; larger pieces are passed on as they are.
 */
/** Copying 4 KiB costs about what one more entry in a writev does. */
const COPIED_BYTES_MAX = 4 * 1024;
/** A slab is cut into writes, and what was cut is never written again, since the socket may still hold it. */
const SLAB_BYTES = 256 * 1024;
/** With less than this left a slab is not worth passing on. */
const SLAB_LEFT_BYTES_MIN = 4 * 1024;
/** What is left of slabs, for whoever writes next: ten thousand connections that are idle hold none. As many as write in one turn of the loop, at most so many. */
const SLABS_MAX = 64;
const slabs: Buffer[] = [];
const NO_SLAB = Buffer.alloc(0);

export class Outbox {
  #slab: Buffer = NO_SLAB;
  #from = 0;
  #to = 0;
  #pieces: Uint8Array[] = [];
  /** Bytes queued since the last `take`. */
  bytes = 0;

  push(frame: OutgoingFrame): void {
    const { kind, flags = 0, number = 0, id, body, attachment } = frame;
    const attachmentBytes = byteLength(attachment);
    this.#reserve(HEADER_BYTES);
    writeHeader(this.#slab, this.#to, { kind, flags, number, id, bodyBytes: body.length, attachmentBytes });
    this.#to += HEADER_BYTES;
    this.#add(body);
    if (attachment instanceof Uint8Array) this.#add(attachment);
    else if (attachment) for (const piece of attachment) this.#add(piece);
    this.bytes += HEADER_BYTES + body.length + attachmentBytes;
  }

  /** Everything pushed so far, in order. */
  take(): Uint8Array[] {
    this.#cut();
    this.#passOn();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.bytes = 0;
    return pieces;
  }

  #add(piece: Uint8Array): void {
    if (piece.length > COPIED_BYTES_MAX) {
      this.#cut();
      this.#pieces.push(piece);
    } else if (piece.length > 0) {
      this.#reserve(piece.length);
      this.#slab.set(piece, this.#to);
      this.#to += piece.length;
    }
  }

  #reserve(bytes: number): void {
    if (this.#to + bytes <= this.#slab.length) return;
    this.#cut();
    const left = slabs.pop();
    this.#slab = left && left.length >= bytes ? left : Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.#from = this.#to = 0;
  }

  #passOn(): void {
    if (this.#slab.length - this.#to >= SLAB_LEFT_BYTES_MIN && slabs.length < SLABS_MAX) slabs.push(this.#slab.subarray(this.#to));
    this.#slab = NO_SLAB;
    this.#from = this.#to = 0;
  }

  #cut(): void {
    if (this.#to > this.#from) this.#pieces.push(this.#slab.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }
}

export function byteLength(attachment: OutgoingFrame['attachment']): number {
  if (attachment === undefined) return 0;
  if (attachment instanceof Uint8Array) return attachment.length;
  let bytes = 0;
  for (const piece of attachment) bytes += piece.length;
  return bytes;
}
