import { FRAME_BYTES_MAX, HEADER_BYTES } from './frame.ts';

/**
 * Finds where frames end in bytes that pass, by their lengths alone: there a proxy may say a word of its own, the go-away when it is about to close. A look
 * at four bytes of each frame; nothing is kept, copied or decoded.
 */
const LENGTH_BYTES = 4;

export class FrameBoundary {
  /** Bytes of the frame under way that have not come yet, once its length is known. */
  #leftBytes = 0;
  /** Of a length that came in pieces. */
  #length = 0;
  #lengthFilled = 0;
  #lost = false;

  /** Everything that has passed ends with a whole frame. */
  get reached(): boolean {
    return !this.#lost && this.#leftBytes === 0 && this.#lengthFilled === 0;
  }

  /** Returns how far into the chunk its last frame ends; -1 if none does. Once the bytes were no frames there is never an end again. */
  pass(chunk: Buffer): number {
    let last = -1;
    let at = 0;
    while (at < chunk.length && !this.#lost) {
      if (this.#leftBytes > 0) {
        const step = Math.min(this.#leftBytes, chunk.length - at);
        this.#leftBytes -= step;
        at += step;
        if (this.#leftBytes === 0) last = at;
      } else if (this.#lengthFilled === 0 && chunk.length - at >= LENGTH_BYTES) this.#begin(chunk.readUInt32BE(at), 0);
      else {
        this.#length = this.#length * 256 + chunk[at++]!;
        if (++this.#lengthFilled === LENGTH_BYTES) this.#begin(this.#length, LENGTH_BYTES);
      }
    }
    return this.#lost ? -1 : last;
  }

  #begin(frameBytes: number, passedBytes: number): void {
    if (frameBytes < HEADER_BYTES || frameBytes > FRAME_BYTES_MAX) this.#lost = true;
    this.#leftBytes = frameBytes - passedBytes;
    this.#length = 0;
    this.#lengthFilled = 0;
  }
}
