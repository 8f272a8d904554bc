/**
 * Cuts an unbroken piece of a file, which comes in blocks, into records. Pulled, not pushed, so that the caller may wait for an
 * asynchronous program between two records:
 *
 *     cutter.feed(block, start, end);  while (cutter.next()) use(cutter.buffer, cutter.start, cutter.end);
 *     … more blocks …                  cutter.finish(); while (cutter.next()) …
 *
 * A record that lies within one block is a view of it; only one that crosses a border is copied, once, however many blocks it spans.
 * A view stays good for as long as it is referenced. A line comes without its `\n`; the last line may lack it.
 */
import type { RecordFormat } from '../contract.ts';
import { allocate, NO_BYTES } from './memory.ts';

const NEWLINE = 0x0a;

export interface RecordCutter {
  buffer: Uint8Array;
  start: number;
  end: number;
  feed(block: Uint8Array, start: number, end: number): void;
  next(): boolean;
  /** No more blocks. @returns bytes of a fixed-length record that is not whole; 0 for lines. */
  finish(): number;
}

export function createCutter(format: RecordFormat): RecordCutter {
  return format.kind === 'lines' ? new LineCutter() : new FixedCutter(format.bytes);
}

class LineCutter implements RecordCutter {
  buffer: Uint8Array = NO_BYTES;
  start = 0;
  end = 0;
  #block: Uint8Array = NO_BYTES;
  #at = 0;
  #blockEnd = 0;
  /** Pieces of a line that began in earlier blocks. */
  #carried: Uint8Array[] = [];
  #last: Uint8Array | undefined;

  feed(block: Uint8Array, start: number, end: number): void {
    this.#block = block;
    this.#at = start;
    this.#blockEnd = end;
  }

  next(): boolean {
    if (this.#last) {
      this.#show(this.#last, 0, this.#last.length);
      this.#last = undefined;
      return true;
    }
    if (this.#at >= this.#blockEnd) return false;
    const newline = this.#block.indexOf(NEWLINE, this.#at);
    if (newline < 0 || newline >= this.#blockEnd) {
      this.#carried.push(this.#block.subarray(this.#at, this.#blockEnd));
      this.#at = this.#blockEnd;
      return false;
    }
    if (this.#carried.length > 0) {
      this.#carried.push(this.#block.subarray(this.#at, newline));
      const whole = this.#join();
      this.#show(whole, 0, whole.length);
    } else {
      this.#show(this.#block, this.#at, newline);
    }
    this.#at = newline + 1;
    return true;
  }

  finish(): number {
    if (this.#carried.length > 0) this.#last = this.#join();
    return 0;
  }

  #show(buffer: Uint8Array, start: number, end: number): void {
    this.buffer = buffer;
    this.start = start;
    this.end = end;
  }

  #join(): Uint8Array {
    const whole = joinPieces(this.#carried);
    this.#carried = [];
    return whole;
  }
}

class FixedCutter implements RecordCutter {
  buffer: Uint8Array = NO_BYTES;
  start = 0;
  end = 0;
  #block: Uint8Array = NO_BYTES;
  #at = 0;
  #blockEnd = 0;
  #carried: Uint8Array[] = [];
  #carriedBytes = 0;
  readonly #bytes: number;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  feed(block: Uint8Array, start: number, end: number): void {
    this.#block = block;
    this.#at = start;
    this.#blockEnd = end;
  }

  next(): boolean {
    const missing = this.#bytes - this.#carriedBytes;
    const available = this.#blockEnd - this.#at;
    if (available < missing) {
      if (available > 0) this.#carried.push(this.#block.subarray(this.#at, this.#blockEnd));
      this.#carriedBytes += Math.max(0, available);
      this.#at = this.#blockEnd;
      return false;
    }
    if (this.#carriedBytes > 0) {
      this.#carried.push(this.#block.subarray(this.#at, this.#at + missing));
      this.buffer = joinPieces(this.#carried);
      this.start = 0;
      this.#carried = [];
      this.#carriedBytes = 0;
    } else {
      this.buffer = this.#block;
      this.start = this.#at;
    }
    this.end = this.start + this.#bytes;
    this.#at += missing;
    return true;
  }

  finish(): number {
    return this.#carriedBytes;
  }
}

function joinPieces(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  const whole = allocate(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
