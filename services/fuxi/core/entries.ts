/** Cursors over what a map program emitted and memory still holds, one partition at a time. */
import { DECIMAL_BYTES_MAX, writeDecimal } from './bytes.ts';
import { type Cursor, Position } from './cursor.ts';
import { allocate } from './memory.ts';
import type { SortBuffer } from './sort-buffer.ts';
import type { KeyOrder } from './sort-keys.ts';
import type { SumTable } from './sum-table.ts';

export function bufferedRecords(buffer: SortBuffer, { order, starts }: KeyOrder, partition: number): Cursor {
  return new BufferCursor(buffer, order, starts[partition]!, starts[partition + 1]!);
}

/** `refuse` is called for a sum that is not a whole number below 2^53. */
export function summedRecords(table: SumTable, sorted: SortedTable, partition: number, refuse: (sum: number) => never): Cursor {
  return new TableCursor(table, sorted, partition, refuse);
}

type SortedTable = ReturnType<SumTable['sort']>;

class BufferCursor extends Position {
  readonly #buffer: SortBuffer;
  readonly #order: Uint32Array;
  #at: number;
  readonly #past: number;

  constructor(buffer: SortBuffer, order: Uint32Array, first: number, past: number) {
    super();
    this.#buffer = buffer;
    this.#order = order;
    this.#at = first;
    this.#past = past;
    this.key = buffer.arena;
    this.value = buffer.arena;
  }

  next(): boolean {
    if (this.#at >= this.#past) return false;
    const entry = this.#order[this.#at++]!;
    this.keyStart = this.#buffer.offsets[entry]!;
    this.keyEnd = this.keyStart + this.#buffer.keyLengths[entry]!;
    this.valueStart = this.keyEnd;
    this.valueEnd = this.valueStart + this.#buffer.valueLengths[entry]!;
    return true;
  }
}

class TableCursor extends Position {
  readonly #table: SumTable;
  readonly #sorted: SortedTable;
  #at: number;
  readonly #past: number;
  readonly #refuse: (sum: number) => never;

  constructor(table: SumTable, sorted: SortedTable, partition: number, refuse: (sum: number) => never) {
    super();
    this.#table = table;
    this.#sorted = sorted;
    this.#at = sorted.starts[partition]!;
    this.#past = sorted.starts[partition + 1]!;
    this.#refuse = refuse;
    this.key = table.records;
    this.value = allocate(DECIMAL_BYTES_MAX);
  }

  next(): boolean {
    if (this.#at >= this.#past) return false;
    const entry = this.#sorted.order[this.#at++]!;
    this.keyStart = this.#sorted.offsets[entry]!;
    this.keyEnd = this.keyStart + this.#sorted.lengths[entry]!;
    const sum = this.#table.sumAt(this.keyStart);
    if (!Number.isSafeInteger(sum)) this.#refuse(sum);
    this.valueEnd = writeDecimal(sum, this.value, 0);
    return true;
  }
}
