import { FRAME_LIMITS, type Frame, type FrameHeader, type FrameLimits, HEADER_BYTES, readHeader } from './frame.ts';
import type { HalfRead } from './half-read.ts';

const EMPTY = Buffer.alloc(0);
/** What is half read grows from this, fourfold each time that it is full, where there is too little room to take its memory at once. */
const FIRST_BYTES = 256 * 1024;
const GROWTH = 4;

/** Why a frame was read and not kept: its sender is nobody yet and it is more than `limits.keptBytesMax`, or too much is half read already. */
export type DropCause = 'unknown' | 'full';

/**
 * Cuts a stream of bytes into frames, whatever the pieces it comes in.
 *
 * Pieces come in two ways. `push` takes bytes from a read buffer that is used again afterwards: what lasts is copied out, once.
 * But where an attachment is under way, `target` names the place where its next bytes belong; a shell that can reads them there
 * and calls `advance`: no copy at all. A buffer for an attachment is made once, of its final size, and belongs to whoever gets the frame.
 *
 * What a header announces is a claim, and sixteen bytes are cheap. So what is held for a frame that has not come whole is reserved in an account
 * before it is allocated: at once and in full while that is less than half spent, and in growing steps (each copied into the next) when more is. A frame
 * that finds no room is read to its end all the same, and dropped: its sender is told, and the stream goes on.
 *
 * Invariants: 1. `#heldBytes` is what the buffers under way can hold, and is in the account; 2. while a frame is dropped nothing is held;
 * 3. an attachment has no buffer before its body is whole, so `target` never takes what belongs to a body.
 *
 * A violation ends the parser: what follows on that stream has no meaning any more.
 */
export class FrameParser {
  /** Where what is half read counts; undefined: nowhere. */
  account: HalfRead | undefined;
  #limits: FrameLimits;
  readonly #onFrame: (frame: Frame) => void;
  readonly #onDropped: (header: FrameHeader, cause: DropCause) => void;
  readonly #allocate: (bytes: number) => Buffer;
  #violation: string | undefined;
  #stopped = false;
  readonly #headerScratch = Buffer.alloc(HEADER_BYTES);
  #headerFilled = 0;
  /** Of a frame that has not come whole. */
  #header: FrameHeader | undefined;
  #body: Buffer = EMPTY;
  #bodyFilled = 0;
  #attachment: Buffer = EMPTY;
  #attachmentFilled = 0;
  #heldBytes = 0;
  #dropping: DropCause | undefined;
  /** Of the frame that is being dropped. */
  #leftBytes = 0;
  #frames = 0;

  /** `onFrame` gets each frame when its last byte has come; `onDropped` what is left of one that was not kept. */
  constructor(
    onFrame: (frame: Frame) => void,
    options: {
      limits?: FrameLimits;
      allocate?: (bytes: number) => Buffer;
      account?: HalfRead;
      onDropped?: (header: FrameHeader, cause: DropCause) => void;
    } = {},
  ) {
    this.#onFrame = onFrame;
    this.#onDropped = options.onDropped ?? (() => {});
    this.#limits = options.limits ?? FRAME_LIMITS;
    this.#allocate = options.allocate ?? Buffer.allocUnsafe;
    this.account = options.account;
  }

  /** They hold for the frame under way, too. */
  set limits(limits: FrameLimits) {
    const held = this.#heldBytes;
    const wasStranger = this.#ofStranger;
    this.#limits = limits;
    if (held > 0 && wasStranger !== this.#ofStranger) {
      this.account?.release(held, wasStranger);
      this.#heldBytes = 0;
      if (!this.account || this.account.reserve(held, this.#ofStranger)) this.#heldBytes = held;
      else this.#drop('full');
    }
    const header = this.#header;
    if (header && this.#dropping === undefined && !this.#keeps(header)) this.#drop('unknown');
  }

  get #ofStranger(): boolean {
    return this.#limits.keptBytesMax !== undefined;
  }

  /** True between frames: a stream that ends elsewhere was cut. */
  get atBoundary(): boolean {
    return this.#header === undefined && this.#headerFilled === 0;
  }

  /** Which frame of the stream is half read, counted from 1; 0 between frames. */
  get halfRead(): number {
    return this.atBoundary ? 0 : this.#frames + 1;
  }

  /** Where the next bytes of the stream belong, if that is an attachment and at least `bytesMin` of it are missing there. */
  target(bytesMin: number): Buffer | undefined {
    if (this.#attachment.length - this.#attachmentFilled < bytesMin) return undefined;
    return this.#attachment.subarray(this.#attachmentFilled);
  }

  /** The next `bytes` bytes of the stream have been put into the target. Returns what is wrong with the stream, if anything is. */
  advance(bytes: number): string | undefined {
    if (this.#stopped) return undefined;
    // The place was given out before it was decided to drop the frame.
    if (this.#dropping !== undefined) this.#skip(bytes);
    else {
      this.#attachmentFilled += bytes;
      this.#settle();
    }
    return this.#violation;
  }

  /** The next bytes of the stream. Returns what is wrong with the stream, if anything is. */
  push(chunk: Buffer): string | undefined {
    const end = chunk.length;
    let at = 0;
    while (at < end && this.#violation === undefined && !this.#stopped) {
      if (this.#header !== undefined) {
        at += this.#fill(chunk, at);
        continue;
      }
      let header: FrameHeader | string;
      if (this.#headerFilled === 0 && end - at >= HEADER_BYTES) {
        header = readHeader(chunk, at, this.#limits);
        at += HEADER_BYTES;
      } else {
        const copied = chunk.copy(this.#headerScratch, this.#headerFilled, at, at + HEADER_BYTES - this.#headerFilled);
        this.#headerFilled += copied;
        at += copied;
        if (this.#headerFilled < HEADER_BYTES) return undefined;
        this.#headerFilled = 0;
        header = readHeader(this.#headerScratch, 0, this.#limits);
      }
      if (typeof header === 'string') return (this.#violation = header);
      const { bodyBytes, attachmentBytes } = header;
      if (end - at < bodyBytes + attachmentBytes || !this.#keeps(header)) {
        this.#begin(header);
        continue;
      }
      const body = chunk.subarray(at, at + bodyBytes);
      let attachment: Buffer | undefined = EMPTY;
      if (attachmentBytes > 0) {
        attachment = this.#tryAllocate(attachmentBytes);
        if (!attachment) break;
        chunk.copy(attachment, 0, at + bodyBytes, at + bodyBytes + attachmentBytes);
      }
      at += bodyBytes + attachmentBytes;
      this.#frames++;
      this.#onFrame({ kind: header.kind, flags: header.flags, number: header.number, id: header.id, body, attachment });
    }
    return this.#violation;
  }

  /** Nobody wants what comes any more: nothing is kept of it. */
  stop(): void {
    this.#stopped = true;
    this.#forget();
  }

  #keeps({ bodyBytes, attachmentBytes }: FrameHeader): boolean {
    return HEADER_BYTES + bodyBytes + attachmentBytes <= (this.#limits.keptBytesMax ?? Number.POSITIVE_INFINITY);
  }

  #begin(header: FrameHeader): void {
    this.#header = header;
    if (!this.#keeps(header)) this.#drop('unknown');
    else this.#settle();
  }

  /** Takes what it can of the frame under way; returns how many bytes that were. */
  #fill(chunk: Buffer, at: number): number {
    if (this.#dropping !== undefined) return this.#skip(chunk.length - at);
    const inBody = this.#bodyFilled < this.#header!.bodyBytes;
    const copied = inBody ? chunk.copy(this.#body, this.#bodyFilled, at) : chunk.copy(this.#attachment, this.#attachmentFilled, at);
    if (inBody) this.#bodyFilled += copied;
    else this.#attachmentFilled += copied;
    this.#settle();
    return copied;
  }

  /** Bytes were taken: the frame is whole, or there must be a place for the next ones. */
  #settle(): void {
    const { bodyBytes, attachmentBytes } = this.#header!;
    if (this.#bodyFilled < bodyBytes) {
      if (this.#bodyFilled === this.#body.length) this.#body = this.#grown(this.#body, bodyBytes, Buffer.allocUnsafe);
    } else if (this.#attachmentFilled < attachmentBytes) {
      if (this.#attachmentFilled === this.#attachment.length)
        this.#attachment = this.#grown(this.#attachment, attachmentBytes, this.#allocate);
    } else this.#emit();
  }

  /** The full buffer's successor; EMPTY where there is no room, and then the frame is dropped. */
  #grown(full: Buffer, wholeBytes: number, allocate: (bytes: number) => Buffer): Buffer {
    const atOnce = !this.account || this.account.roomy(wholeBytes - full.length);
    const bytes = atOnce ? wholeBytes : Math.min(wholeBytes, Math.max(FIRST_BYTES, GROWTH * full.length));
    if (this.account && !this.account.reserve(bytes - full.length, this.#ofStranger)) {
      this.#drop('full');
      return EMPTY;
    }
    this.#heldBytes += bytes - full.length;
    const grown = this.#tryAllocate(bytes, allocate);
    if (!grown) return EMPTY;
    full.copy(grown);
    return grown;
  }

  #tryAllocate(bytes: number, allocate = this.#allocate): Buffer | undefined {
    try {
      return allocate(bytes);
    } catch {
      this.#forget();
      this.#violation = `a frame for which there is no memory: ${bytes} bytes`;
      return undefined;
    }
  }

  #drop(cause: DropCause): void {
    const { bodyBytes, attachmentBytes } = this.#header!;
    this.#leftBytes = bodyBytes + attachmentBytes - this.#bodyFilled - this.#attachmentFilled;
    this.#forget();
    this.#dropping = cause;
  }

  #skip(bytes: number): number {
    const skipped = Math.min(bytes, this.#leftBytes);
    this.#leftBytes -= skipped;
    if (this.#leftBytes > 0) return skipped;
    const header = this.#header!;
    const cause = this.#dropping!;
    this.#header = undefined;
    this.#dropping = undefined;
    this.#frames++;
    this.#onDropped(header, cause);
    return skipped;
  }

  #emit(): void {
    const { kind, flags, number, id } = this.#header!;
    const body = this.#body;
    const attachment = this.#attachment;
    this.#header = undefined;
    this.#forget();
    this.#frames++;
    this.#onFrame({ kind, flags, number, id, body, attachment });
  }

  /** Holds nothing any more. */
  #forget(): void {
    this.account?.release(this.#heldBytes, this.#ofStranger);
    this.#heldBytes = 0;
    this.#body = EMPTY;
    this.#bodyFilled = 0;
    this.#attachment = EMPTY;
    this.#attachmentFilled = 0;
  }
}
