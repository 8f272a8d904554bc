/**
 * Groups of equal keys in a sorted sequence, read as they are asked for: no group need fit in memory. What a program leaves unread is
 * skipped when the next key is asked for.
 */
import { equalBytes, parseDecimal } from './bytes.ts';
import type { Cursor } from './cursor.ts';
import { NO_BYTES } from './memory.ts';

export class Groups {
  key: Uint8Array = NO_BYTES;
  keyStart = 0;
  keyEnd = 0;
  /** Records seen so far, over all groups. */
  records = 0;
  /** Bytes of their keys and values. */
  bytes = 0;
  readonly #cursor: Cursor;
  /** Where the cursor stands: on a first value not yet taken, on a taken value of this group, on the next group's first record, or past the end. */
  #state: 'start' | 'first' | 'inside' | 'ahead' | 'end' = 'start';

  constructor(cursor: Cursor) {
    this.#cursor = cursor;
  }

  /** Moves to the next key. */
  next(): boolean {
    while (this.nextValue());
    if (this.#state === 'start') this.#state = this.#cursor.next() ? 'ahead' : 'end';
    if (this.#state === 'end') return false;
    this.key = this.#cursor.key;
    this.keyStart = this.#cursor.keyStart;
    this.keyEnd = this.#cursor.keyEnd;
    this.#state = 'first';
    return true;
  }

  /** Moves to the next value of this key; it then stands in `value`, `valueStart`, `valueEnd`. */
  nextValue(): boolean {
    const cursor = this.#cursor;
    if (this.#state === 'first') this.#state = 'inside';
    else if (this.#state !== 'inside') return false;
    else if (!cursor.next()) {
      this.#state = 'end';
      return false;
    } else if (!equalBytes(this.key, this.keyStart, this.keyEnd, cursor.key, cursor.keyStart, cursor.keyEnd)) {
      this.#state = 'ahead';
      return false;
    }
    this.records++;
    this.bytes += cursor.keyEnd - cursor.keyStart + cursor.valueEnd - cursor.valueStart;
    return true;
  }

  get value(): Uint8Array {
    return this.#cursor.value;
  }

  get valueStart(): number {
    return this.#cursor.valueStart;
  }

  get valueEnd(): number {
    return this.#cursor.valueEnd;
  }

  /** The rest of this key's values as one sum; NaN when one of them is not a whole number in decimal. */
  sum(): number {
    let sum = 0;
    while (this.nextValue()) sum += parseDecimal(this.#cursor.value, this.#cursor.valueStart, this.#cursor.valueEnd);
    return sum;
  }
}
