/** Reads what BytesWriter wrote. It trusts its input: only what this project wrote and a checksum vouches for comes here. */
export class BytesReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  byte(): number {
    return this.#bytes[this.#at++]!;
  }

  uint(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.#at++]!;
    let value = byte & 127;
    // The first four groups fit in what bit operations see.
    for (let shift = 7; byte > 127 && shift < 28; shift += 7) {
      byte = bytes[this.#at++]!;
      value |= (byte & 127) << shift;
    }
    for (let factor = 2 ** 28; byte > 127; factor *= 128) {
      byte = bytes[this.#at++]!;
      value += (byte & 127) * factor;
    }
    return value;
  }

  int(): number {
    const negative = this.byte() === 1;
    const value = this.uint();
    return negative ? -value : value;
  }

  text(): string {
    const head = this.uint();
    const length = head >>> 1;
    const from = this.#at;
    this.#at += head & 1 ? length * 2 : length;
    return this.#bytes.toString(head & 1 ? 'utf16le' : 'latin1', from, this.#at);
  }

  /** A view of what is read, not a copy: who keeps it keeps all of it. */
  bytes(): Uint8Array {
    const length = this.uint();
    const from = this.#at;
    this.#at += length;
    return this.#bytes.subarray(from, this.#at);
  }
}
