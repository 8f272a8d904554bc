/**
 * What all connections of one server hold of frames that have not come whole. Such a frame is no call yet, so no other bound sees it; it costs its sender sixteen
 * bytes to announce 64 MiB.
 *
 * Strangers, who have not said who they are where that is asked, have a share of their own: with thousands of connections they can fill it, and then
 * only each other's frames are refused.
 *
 * Invariant: `bytes` <= `bytesMax`, and those of strangers within their share; what is reserved is released once, when the frame is whole or forgotten.
 */
export const HALF_READ_BYTES_MAX = 512 * 1024 * 1024;

/** Of the bound, beside it. */
const STRANGERS_SHARE = 1 / 8;

export class HalfRead {
  readonly bytesMax: number;
  #bytes = 0;
  #strangersBytes = 0;

  constructor(bytesMax: number = HALF_READ_BYTES_MAX) {
    this.bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes + this.#strangersBytes;
  }

  /** So much may be taken on trust. Beyond half of the bound memory follows what has come, so that the other half cannot be claimed with headers. */
  roomy(bytes: number): boolean {
    return this.#bytes + bytes <= this.bytesMax / 2;
  }

  /** False: there is no room, and nothing was reserved. */
  reserve(bytes: number, ofStranger = false): boolean {
    if (ofStranger) {
      if (this.#strangersBytes + bytes > this.bytesMax * STRANGERS_SHARE) return false;
      this.#strangersBytes += bytes;
      return true;
    }
    if (this.#bytes + bytes > this.bytesMax) return false;
    this.#bytes += bytes;
    return true;
  }

  release(bytes: number, ofStranger = false): void {
    if (ofStranger) this.#strangersBytes -= bytes;
    else this.#bytes -= bytes;
  }
}
