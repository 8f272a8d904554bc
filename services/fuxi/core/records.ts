/**
 * Records at arbitrary byte ranges. A file is cut into ranges without looking into it, so a record may lie across a border. One rule
 * makes each record read exactly once: **a record belongs to the range its first byte lies in.**
 *
 * So the records of one range are one unbroken piece of the file, `[first, past)`, a little shifted against the range:
 * - lines: `first` is just after the first `\n` at or beyond `offset - 1` (the byte before the range tells whether a line begins with it),
 *   `past` just after the first `\n` at or beyond the range's last byte, or the end of the file;
 * - fixed length: both borders rounded up to a multiple of the length.
 * A range without the first byte of any record is empty: `first >= past`.
 *
 * Reading is two steps: cut that piece out of the blocks that come from the file (here), then cut it into records (record-cutter.ts).
 * A command needs only the first step.
 */

const NEWLINE = 0x0a;

/** Where reading begins, how far it goes for sure, and what of each block belongs to the range. */
export interface RangeTrimmer {
  /** Blocks are fed from this position on, without gaps. */
  readonly position: number;
  /** Bytes up to here are wanted in any case; beyond, only until `done`. */
  readonly certainEnd: number;
  /** Nothing more is wanted. */
  readonly done: boolean;
  /** The piece of this block that belongs to the range, as `[start, end)` within it; empty when `start >= end`. */
  feed(block: Uint8Array): { start: number; end: number };
}

export function trimLines(offset: number, length: number): RangeTrimmer {
  return new LineTrimmer(offset, offset + length);
}

export function trimFixed(offset: number, length: number, recordBytes: number): RangeTrimmer {
  const roundUp = (position: number): number => Math.ceil(position / recordBytes) * recordBytes;
  return new FixedTrimmer(roundUp(offset), roundUp(offset + length));
}

/** States: `skip` to the first record, `take` up to the last byte of the range, `finish` the record that byte is in, done. */
class LineTrimmer implements RangeTrimmer {
  readonly certainEnd: number;
  #state: 'skip' | 'take' | 'finish' | 'done';
  #position: number;
  readonly #end: number;

  constructor(offset: number, end: number) {
    this.#state = offset >= end ? 'done' : offset > 0 ? 'skip' : 'take';
    this.#position = Math.max(0, offset - 1);
    this.#end = end;
    this.certainEnd = end;
  }

  get position(): number {
    return this.#position;
  }

  get done(): boolean {
    return this.#state === 'done';
  }

  feed(block: Uint8Array): { start: number; end: number } {
    const begin = this.#position;
    this.#position += block.length;
    let start = 0;
    if (this.#state === 'skip') {
      const newline = block.indexOf(NEWLINE);
      if (newline < 0) {
        // The record that began before the range covers all of it.
        if (this.#position >= this.#end) this.#state = 'done';
        return { start: 0, end: 0 };
      }
      start = newline + 1;
      this.#state = begin + start < this.#end ? 'take' : 'done';
    }
    if (this.#state === 'done') return { start: 0, end: 0 };
    if (this.#state === 'take' && this.#position >= this.#end) this.#state = 'finish';
    if (this.#state === 'take') return { start, end: block.length };
    const newline = block.indexOf(NEWLINE, Math.max(start, this.#end - 1 - begin));
    if (newline < 0) return { start, end: block.length };
    this.#state = 'done';
    return { start, end: newline + 1 };
  }
}

class FixedTrimmer implements RangeTrimmer {
  readonly certainEnd: number;
  #position: number;

  constructor(first: number, past: number) {
    this.#position = first;
    this.certainEnd = past;
  }

  get position(): number {
    return this.#position;
  }

  get done(): boolean {
    return this.#position >= this.certainEnd;
  }

  feed(block: Uint8Array): { start: number; end: number } {
    const end = Math.max(0, Math.min(block.length, this.certainEnd - this.#position));
    this.#position += block.length;
    return { start: 0, end };
  }
}
