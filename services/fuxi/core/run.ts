/**
 * A run: records sorted by key, in bytes. A record is two varints (7 bits a byte, least significant first), the lengths of its key and of
 * its value, and then the key and the value, any bytes.
 */
import { FuxiError } from '../contract.ts';
import { copyBytes } from './bytes.ts';
import { Position } from './cursor.ts';

const VARINT_BYTES_MAX = 5;
export const RECORD_HEADER_BYTES_MAX = 2 * VARINT_BYTES_MAX;

/** Writes one record at `at`, where there must be room. @returns where it ends. */
export function writeRecord(
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
  value: Uint8Array,
  valueStart: number,
  valueEnd: number,
  to: Uint8Array,
  at: number,
): number {
  let end = writeVarint(keyEnd - keyStart, to, at);
  end = writeVarint(valueEnd - valueStart, to, end);
  end = copyBytes(key, keyStart, keyEnd, to, end);
  return copyBytes(value, valueStart, valueEnd, to, end);
}

function writeVarint(value: number, to: Uint8Array, at: number): number {
  let rest = value;
  let end = at;
  while (rest >= 0x80) {
    to[end++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  to[end++] = rest;
  return end;
}

/**
 * Gives the bytes of a run that does not lie in memory as a whole: a new block that begins with `rest` and holds at least `needed` bytes, or
 * fewer when the run ends; `undefined` when nothing comes after `rest`.
 */
export type Refill = (rest: Uint8Array, needed: number) => Uint8Array | undefined;

export class RunCursor extends Position {
  #block: Uint8Array;
  #at: number;
  #end: number;
  readonly #refill: Refill | undefined;

  constructor(block: Uint8Array, refill?: Refill) {
    super();
    this.#block = block;
    this.#at = 0;
    this.#end = block.length;
    this.#refill = refill;
  }

  next(): boolean {
    for (let needed = RECORD_HEADER_BYTES_MAX; ; ) {
      const whole = this.#read();
      if (whole === 0) return true;
      if (whole > 0) needed = whole;
      const rest = this.#block.subarray(this.#at, this.#end);
      const block = this.#refill?.(rest, needed);
      if (!block) {
        if (rest.length === 0) return false;
        throw new FuxiError('InputCorrupt', 'a run of a shuffle file ends within a record');
      }
      this.#block = block;
      this.#at = 0;
      this.#end = block.length;
    }
  }

  /** @returns 0: done; else the bytes needed to go on, -1 when that is not known yet. */
  #read(): number {
    const block = this.#block;
    const limit = this.#end;
    let at = this.#at;
    let keyLength = 0;
    let valueLength = 0;
    for (let shift = 0; ; shift += 7) {
      if (at >= limit) return -1;
      const byte = block[at++]!;
      keyLength += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    for (let shift = 0; ; shift += 7) {
      if (at >= limit) return -1;
      const byte = block[at++]!;
      valueLength += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    const end = at + keyLength + valueLength;
    if (end > limit) return end - this.#at;
    this.key = block;
    this.keyStart = at;
    this.keyEnd = at + keyLength;
    this.value = block;
    this.valueStart = this.keyEnd;
    this.valueEnd = end;
    this.#at = end;
    return 0;
  }
}
