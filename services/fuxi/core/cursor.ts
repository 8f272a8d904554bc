/**
 * A cursor looks at one record after the other of a sequence that is sorted by key. Runs, merges and combined sequences are all cursors,
 * so they stack. Nothing is copied: key and value are ranges of memory that stay good for as long as they are referenced.
 */
import { NO_BYTES } from './memory.ts';

export interface Cursor {
  key: Uint8Array;
  keyStart: number;
  keyEnd: number;
  value: Uint8Array;
  valueStart: number;
  valueEnd: number;
  /** Moves to the next record. @returns false when there is none; the fields then mean nothing. */
  next(): boolean;
}

/** Where a cursor's fields live. */
export abstract class Position implements Cursor {
  key: Uint8Array = NO_BYTES;
  keyStart = 0;
  keyEnd = 0;
  value: Uint8Array = NO_BYTES;
  valueStart = 0;
  valueEnd = 0;
  abstract next(): boolean;
}
