import { FRAME_LIMITS, type Frame, type FrameHeader, type FrameLimits, HEADER_BYTES, readHeader } from './frame.ts';

const EMPTY = Buffer.alloc(0);

/**
 * Cuts a stream of bytes into frames, whatever the pieces it comes in.
 *
 * A body or attachment that lies whole in one piece is a view of that piece: no copy. One that spans pieces gets a buffer of its
 * final size at the moment its length is known, and each piece is copied to its place: one copy, never a join.
 * A violation ends the parser: what follows on that stream has no meaning any more.
 */
export class FrameParser {
  limits: FrameLimits;
  #violation: string | undefined;
  readonly #headerScratch = Buffer.alloc(HEADER_BYTES);
  #headerFilled = 0;
  #header: FrameHeader | undefined;
  #body: Buffer | undefined;
  #bodyFilled = 0;
  #attachment: Buffer | undefined;
  #attachmentFilled = 0;

  constructor(limits: FrameLimits = FRAME_LIMITS) {
    this.limits = limits;
  }

  /** True between frames: a stream that ends elsewhere was cut. */
  get atBoundary(): boolean {
    return this.#header === undefined && this.#headerFilled === 0;
  }

  /** Hands each frame that is now complete to `onFrame`. Returns what is wrong with the stream, if anything is. */
  push(chunk: Buffer, onFrame: (frame: Frame) => void): string | undefined {
    if (this.#violation !== undefined) return this.#violation;
    const end = chunk.length;
    let at = 0;
    for (;;) {
      if (this.#header === undefined) {
        let header: FrameHeader | string;
        if (this.#headerFilled === 0 && end - at >= HEADER_BYTES) {
          header = readHeader(chunk, at, this.limits);
          at += HEADER_BYTES;
        } else {
          const copied = chunk.copy(this.#headerScratch, this.#headerFilled, at, Math.min(end, at + HEADER_BYTES - this.#headerFilled));
          this.#headerFilled += copied;
          at += copied;
          if (this.#headerFilled < HEADER_BYTES) return undefined;
          this.#headerFilled = 0;
          header = readHeader(this.#headerScratch, 0, this.limits);
        }
        if (typeof header === 'string') return (this.#violation = header);
        this.#header = header;
      }

      const { bodyBytes, attachmentBytes } = this.#header;
      if (this.#bodyFilled < bodyBytes) {
        if (this.#bodyFilled === 0 && end - at >= bodyBytes) {
          this.#body = chunk.subarray(at, at + bodyBytes);
          this.#bodyFilled = bodyBytes;
          at += bodyBytes;
        } else {
          this.#body ??= Buffer.allocUnsafe(bodyBytes);
          const copied = chunk.copy(this.#body, this.#bodyFilled, at, Math.min(end, at + bodyBytes - this.#bodyFilled));
          this.#bodyFilled += copied;
          at += copied;
          if (this.#bodyFilled < bodyBytes) return undefined;
        }
      }
      if (this.#attachmentFilled < attachmentBytes) {
        if (this.#attachmentFilled === 0 && end - at >= attachmentBytes) {
          this.#attachment = chunk.subarray(at, at + attachmentBytes);
          this.#attachmentFilled = attachmentBytes;
          at += attachmentBytes;
        } else {
          this.#attachment ??= Buffer.allocUnsafe(attachmentBytes);
          const copied = chunk.copy(
            this.#attachment,
            this.#attachmentFilled,
            at,
            Math.min(end, at + attachmentBytes - this.#attachmentFilled),
          );
          this.#attachmentFilled += copied;
          at += copied;
          if (this.#attachmentFilled < attachmentBytes) return undefined;
        }
      }

      const frame: Frame = {
        kind: this.#header.kind,
        id: this.#header.id,
        body: this.#body ?? EMPTY,
        attachment: this.#attachment ?? EMPTY,
      };
      this.#header = undefined;
      this.#body = undefined;
      this.#bodyFilled = 0;
      this.#attachment = undefined;
      this.#attachmentFilled = 0;
      onFrame(frame);
      if (at === end) return undefined;
    }
  }
}
