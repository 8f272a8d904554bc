/**
 * Combining: one record in place of all those of one key, wherever a sorted sequence passes by (a spill, or the merge of spills).
 * A program's function is called once per key and gets the key's values so far; it may be called again on its own results.
 */
import { type Cursor, Position } from './cursor.ts';
import { Groups } from './groups.ts';

/** Reads the group's values and returns the bytes of the one that stands for them. */
export type Combine = (group: Groups) => Uint8Array;

export function combineCursor(cursor: Cursor, combine: Combine): Cursor {
  return new CombineCursor(cursor, combine);
}

class CombineCursor extends Position {
  readonly #groups: Groups;
  readonly #combine: Combine;

  constructor(cursor: Cursor, combine: Combine) {
    super();
    this.#groups = new Groups(cursor);
    this.#combine = combine;
  }

  next(): boolean {
    if (!this.#groups.next()) return false;
    this.key = this.#groups.key;
    this.keyStart = this.#groups.keyStart;
    this.keyEnd = this.#groups.keyEnd;
    this.value = this.#combine(this.#groups);
    this.valueStart = 0;
    this.valueEnd = this.value.length;
    return true;
  }
}
