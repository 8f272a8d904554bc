import { type PackedBytes, packPart } from '../tree/bytes.ts';

/** Reads what BytesWriter wrote. Throws where the bytes end too early; what a checksum does not vouch for may still be any nonsense. */
export class BytesReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  byte(): number {
    if (this.#at >= this.#bytes.length) throw new Error(TOO_SHORT);
    return this.#bytes[this.#at++]!;
  }

  /** How many things follow, each of at least one byte. */
  count(): number {
    const count = this.uint();
    if (count > this.#bytes.length - this.#at) throw new Error(TOO_SHORT);
    return count;
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
    if (this.#at > bytes.length) throw new Error(TOO_SHORT);
    return value;
  }

  int(): number {
    const negative = this.byte() === 1;
    const value = this.uint();
    return negative ? -value : value;
  }

  text(): string {
    const head = this.uint();
    const length = Math.floor(head / 2);
    const from = this.#at;
    this.#skip(head % 2 ? length * 2 : length);
    return this.#bytes.toString(head % 2 ? 'utf16le' : 'latin1', from, this.#at);
  }

  texts(): string[] {
    const texts = new Array<string>(this.count());
    for (let i = 0; i < texts.length; i++) texts[i] = this.text();
    return texts;
  }

  /** A view of what is read, not a copy: who keeps it keeps all of it. */
  bytes(): Uint8Array {
    const length = this.uint();
    const from = this.#at;
    this.#skip(length);
    return this.#bytes.subarray(from, this.#at);
  }

  /** What `bytes()` would give, as the tree keeps it. */
  packed(): PackedBytes {
    const length = this.uint();
    const from = this.#at;
    this.#skip(length);
    return packPart(this.#bytes, from, this.#at);
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  #skip(bytes: number): void {
    this.#at += bytes;
    if (this.#at > this.#bytes.length) throw new Error(TOO_SHORT);
  }
}

const TOO_SHORT = 'the bytes end too early';
