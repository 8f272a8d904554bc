/**
 * What all connections of one server hold of frames that have not come whole. Such a frame is no call yet, so no other bound sees it; it costs its sender sixteen
 * bytes to announce 64 MiB.
 *
 * Invariant: `bytes` <= `bytesMax`; what is reserved is released once, when the frame is whole or forgotten.
 */
export const HALF_READ_BYTES_MAX = 512 * 1024 * 1024;

export class HalfRead {
  readonly bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number = HALF_READ_BYTES_MAX) {
    this.bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** So much may be taken on trust. Beyond half of the bound memory follows what has come, so that the other half cannot be claimed with headers. */
  roomy(bytes: number): boolean {
    return this.#bytes + bytes <= this.bytesMax / 2;
  }

  /** False: there is no room, and nothing was reserved. */
  reserve(bytes: number): boolean {
    if (this.#bytes + bytes > this.bytesMax) return false;
    this.#bytes += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
  }
}
