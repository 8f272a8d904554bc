import type { PackedBytes } from '../tree/bytes.ts';

/**
 * Writes small fields one after the other into memory that grows. Whole numbers take as many bytes as they need, seven bits each, lowest first.
 * A text is its UTF-16 units, one byte each where all of them fit in one: so any text comes back as it was, also one that is no valid
 * Unicode, for which UTF-8 has no bytes.
 */
export class BytesWriter {
  #bytes = Buffer.alloc(FIRST_BYTES);
  #at = 0;

  /** Forgets what an earlier writing that failed midway may have left. */
  begin(): void {
    this.#at = 0;
  }

  byte(value: number): void {
    if (this.#at === this.#bytes.length) this.#grow(1);
    this.#bytes[this.#at++] = value;
  }

  /** From 0 to 2^53 - 1. */
  uint(value: number): void {
    if (this.#bytes.length - this.#at < UINT_BYTES_MAX) this.#grow(UINT_BYTES_MAX);
    const bytes = this.#bytes;
    let at = this.#at;
    let rest = value;
    // Bit operations see 32 bits only.
    for (; rest > 0x7fff_ffff; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) | 128;
    for (; rest > 127; rest >>>= 7) bytes[at++] = (rest & 127) | 128;
    bytes[at++] = rest;
    this.#at = at;
  }

  /** Of either sign; -1 is 1, 1 is 2. */
  int(value: number): void {
    this.byte(value < 0 ? 1 : 0);
    this.uint(Math.abs(value));
  }

  text(value: string): void {
    const { length } = value;
    if (this.#bytes.length - this.#at < UINT_BYTES_MAX + 2 * length) this.#grow(UINT_BYTES_MAX + 2 * length);
    const narrow = isNarrow(value);
    this.uint(length * 2 + (narrow ? 0 : 1));
    const bytes = this.#bytes;
    if (!narrow) this.#at += bytes.write(value, this.#at, 'utf16le');
    else if (length > LOOP_LENGTH_MAX) this.#at += bytes.write(value, this.#at, 'latin1');
    else for (let i = 0; i < length; i++) bytes[this.#at++] = value.charCodeAt(i);
  }

  texts(values: readonly string[]): void {
    this.uint(values.length);
    for (const value of values) this.text(value);
  }

  bytes(value: Uint8Array): void {
    this.uint(value.length);
    if (this.#bytes.length - this.#at < value.length) this.#grow(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  /** The bytes that a value of the tree is, as `bytes` would write them. */
  packed(value: PackedBytes): void {
    if (typeof value !== 'string') {
      this.bytes(value);
      return;
    }
    this.uint(value.length);
    if (this.#bytes.length - this.#at < value.length) this.#grow(value.length);
    this.#at += this.#bytes.write(value, this.#at, 'latin1');
  }

  get size(): number {
    return this.#at;
  }

  /** Four bytes, the highest first. */
  uint32(value: number): void {
    if (this.#bytes.length - this.#at < 4) this.#grow(4);
    this.#at = this.#bytes.writeUInt32BE(value, this.#at);
  }

  /** What was written so far, for looking at it only. */
  written(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  /** All that was written, in memory of its own; the next begins anew. */
  take(): Uint8Array {
    const taken = new Uint8Array(this.#at);
    taken.set(this.#bytes.subarray(0, this.#at));
    this.#at = 0;
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#bytes = Buffer.alloc(FIRST_BYTES);
    return taken;
  }

  #grow(by: number): void {
    const grown = Buffer.alloc(Math.max(this.#bytes.length * 2, this.#at + by));
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
  }
}

const FIRST_BYTES = 64 * 1024;
/** What a rare large batch needed is given back. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024;
const UINT_BYTES_MAX = 8;
/** Up to here a loop is faster than the call that does it in C++. */
const LOOP_LENGTH_MAX = 40;

function isNarrow(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 255) return false;
  return true;
}
