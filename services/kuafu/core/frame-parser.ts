import { FRAME_LIMITS, type Frame, type FrameHeader, type FrameLimits, HEADER_BYTES, readHeader } from './frame.ts';

const EMPTY = Buffer.alloc(0);

/**
 * Cuts a stream of bytes into frames, whatever the pieces it comes in.
 *
 * Pieces come in two ways. `push` takes bytes from a read buffer that is used again afterwards: what lasts is copied out, once.
 * But where an attachment is under way, `target` names the place where its next bytes belong; a shell that can reads them there
 * and calls `advance`: no copy at all. A buffer for an attachment is made once, of its final size, and belongs to whoever gets the frame.
 *
 * A violation ends the parser: what follows on that stream has no meaning any more.
 */
export class FrameParser {
  limits: FrameLimits;
  readonly #onFrame: (frame: Frame) => void;
  readonly #allocate: (bytes: number) => Buffer;
  #violation: string | undefined;
  readonly #headerScratch = Buffer.alloc(HEADER_BYTES);
  #headerFilled = 0;
  #header: FrameHeader | undefined;
  #body: Buffer = EMPTY;
  #bodyFilled = 0;
  #attachment: Buffer = EMPTY;
  #attachmentFilled = 0;

  /** `onFrame` gets each frame when its last byte has come. */
  constructor(onFrame: (frame: Frame) => void, options: { limits?: FrameLimits; allocate?: (bytes: number) => Buffer } = {}) {
    this.#onFrame = onFrame;
    this.limits = options.limits ?? FRAME_LIMITS;
    this.#allocate = options.allocate ?? Buffer.allocUnsafe;
  }

  /** True between frames: a stream that ends elsewhere was cut. */
  get atBoundary(): boolean {
    return this.#header === undefined && this.#headerFilled === 0;
  }

  /** Where the next bytes of the stream belong, if that is an attachment and at least `bytesMin` of it are missing. */
  target(bytesMin: number): Buffer | undefined {
    if (this.#attachment.length - this.#attachmentFilled < bytesMin) return undefined;
    return this.#attachment.subarray(this.#attachmentFilled);
  }

  /** The next `bytes` bytes of the stream have been put into the target. */
  advance(bytes: number): void {
    this.#attachmentFilled += bytes;
    if (this.#attachmentFilled === this.#attachment.length) this.#emit(this.#body);
  }

  /** The next bytes of the stream. Returns what is wrong with the stream, if anything is. */
  push(chunk: Buffer): string | undefined {
    if (this.#violation !== undefined) return this.#violation;
    const end = chunk.length;
    let at = 0;
    while (at < end) {
      if (this.#header === undefined) {
        let header: FrameHeader | string;
        if (this.#headerFilled === 0 && end - at >= HEADER_BYTES) {
          header = readHeader(chunk, at, this.limits);
          at += HEADER_BYTES;
        } else {
          const copied = chunk.copy(this.#headerScratch, this.#headerFilled, at, at + HEADER_BYTES - this.#headerFilled);
          this.#headerFilled += copied;
          at += copied;
          if (this.#headerFilled < HEADER_BYTES) return undefined;
          this.#headerFilled = 0;
          header = readHeader(this.#headerScratch, 0, this.limits);
        }
        if (typeof header === 'string') return (this.#violation = header);
        this.#header = header;
        if (header.attachmentBytes > 0) this.#attachment = this.#allocate(header.attachmentBytes);
      }

      const { bodyBytes, attachmentBytes } = this.#header;
      let body = this.#body;
      if (this.#bodyFilled < bodyBytes) {
        if (this.#bodyFilled === 0 && end - at >= bodyBytes && end - at >= bodyBytes + attachmentBytes) {
          body = chunk.subarray(at, at + bodyBytes);
          at += bodyBytes;
        } else {
          if (this.#bodyFilled === 0) body = this.#body = Buffer.allocUnsafe(bodyBytes);
          const copied = chunk.copy(body, this.#bodyFilled, at, at + bodyBytes - this.#bodyFilled);
          this.#bodyFilled += copied;
          at += copied;
          if (this.#bodyFilled < bodyBytes) return undefined;
        }
      }
      if (this.#attachmentFilled < attachmentBytes) {
        const copied = chunk.copy(this.#attachment, this.#attachmentFilled, at, at + attachmentBytes - this.#attachmentFilled);
        this.#attachmentFilled += copied;
        at += copied;
        if (this.#attachmentFilled < attachmentBytes) return undefined;
      }
      this.#emit(body);
    }
    return undefined;
  }

  #emit(body: Buffer): void {
    const { kind, flags, number, id } = this.#header!;
    const attachment = this.#attachment;
    this.#header = undefined;
    this.#body = EMPTY;
    this.#bodyFilled = 0;
    this.#attachment = EMPTY;
    this.#attachmentFilled = 0;
    this.#onFrame({ kind, flags, number, id, body, attachment });
  }
}
