/**
 * A map's output for the next task: gathered in memory, sorted and spilled to the local disk each time the share of memory is used up, merged at
 * the end into one file in Pangu (see core/shuffle-file.ts). With `combine: 'sum'` memory holds one number per key instead of records.
 */
import type { PanguFile } from '../../pangu/contract.ts';
import { FuxiError } from '../contract.ts';
import { DECIMAL_BYTES_MAX, parseDecimal, writeDecimal } from '../core/bytes.ts';
import { type Combine, combineCursor } from '../core/combine.ts';
import type { Cursor } from '../core/cursor.ts';
import { bufferedRecords, summedRecords } from '../core/entries.ts';
import type { Groups } from '../core/groups.ts';
import { allocate } from '../core/memory.ts';
import { mergeCursors } from '../core/merge.ts';
import { encodeShuffle, type Run } from '../core/shuffle-file.ts';
import { SortBuffer } from '../core/sort-buffer.ts';
import { SumTable } from '../core/sum-table.ts';
import { readBytesOf, ScratchFile } from './local-runs.ts';
import { type AttemptOutput, type OutputCounts, writing } from './output.ts';

export interface ShuffleOutputOptions {
  file: PanguFile;
  partitions: number;
  /** For records waiting to be sorted. */
  memoryBytes: number;
  /** Directory for spills. */
  scratch: string;
  combine?: 'sum' | Combine;
}

export class ShuffleOutput implements AttemptOutput {
  readonly full = false;
  readonly #options: ShuffleOutputOptions;
  readonly #table: SumTable | undefined;
  readonly #buffer: SortBuffer;
  readonly #combine: Combine | undefined;
  readonly #spills: { file: ScratchFile; runs: Run[] }[] = [];
  readonly #digits = allocate(DECIMAL_BYTES_MAX);

  constructor(options: ShuffleOutputOptions) {
    const { combine, memoryBytes, partitions } = options;
    this.#options = options;
    this.#table = combine === 'sum' ? new SumTable(memoryBytes) : undefined;
    this.#buffer = new SortBuffer(partitions, memoryBytes);
    this.#combine = combine === 'sum' ? sumOf : combine;
  }

  /** How often memory was full. */
  get spills(): number {
    return this.#spills.length;
  }

  record(key: Uint8Array, keyStart: number, keyEnd: number, value: Uint8Array, valueStart: number, valueEnd: number): void {
    if (this.#table) {
      const number = parseDecimal(value, valueStart, valueEnd);
      if (Number.isNaN(number)) throw notSummable(Buffer.from(value.subarray(valueStart, valueEnd)).toString());
      return this.number(key, keyStart, keyEnd, number);
    }
    if (this.#buffer.add(key, keyStart, keyEnd, value, valueStart, valueEnd)) return;
    this.#spill();
    this.#buffer.add(key, keyStart, keyEnd, value, valueStart, valueEnd);
  }

  number(key: Uint8Array, keyStart: number, keyEnd: number, value: number): void {
    if (!this.#table) return this.record(key, keyStart, keyEnd, this.#digits, 0, writeDecimal(value, this.#digits, 0));
    if (this.#table.add(key, keyStart, keyEnd, value)) return;
    this.#spill();
    this.#table.add(key, keyStart, keyEnd, value);
  }

  async drain(): Promise<void> {}

  async close(): Promise<OutputCounts> {
    const { file, partitions } = this.#options;
    if (this.#spills.length > 0) this.#spill();
    const encoded = encodeShuffle(partitions, this.#spills.length > 0 ? this.#merged() : this.#inMemory());
    for (let step = encoded.next(); ; step = encoded.next()) {
      if (step.done) {
        await writing(file, () => file.close());
        this.#closeSpills();
        return { bytesOut: step.value.bytes, recordsOut: step.value.runs.reduce((sum, run) => sum + run.records, 0) };
      }
      const block = step.value;
      if (block.length > 0) await writing(file, () => file.write(block));
    }
  }

  async abort(): Promise<void> {
    this.#closeSpills();
    await this.#options.file.abort();
  }

  /** Memory's records, by partition. */
  #inMemory(): (partition: number) => Cursor {
    if (this.#table) {
      const table = this.#table;
      const order = table.sort(this.#options.partitions);
      return (partition) => summedRecords(table, order, partition, (sum) => refuseSum(sum));
    }
    const order = this.#buffer.sort();
    const combine = this.#combine;
    return (partition) => {
      const records = bufferedRecords(this.#buffer, order, partition);
      return combine ? combineCursor(records, combine) : records;
    };
  }

  /** The spills' records, by partition. Spills are in the order of time, so equal keys stay in it. */
  #merged(): (partition: number) => Cursor {
    const readBytes = readBytesOf(this.#spills.length, this.#options.memoryBytes);
    const combine = this.#combine;
    return (partition) => {
      const runs = this.#spills.map(({ file, runs }) => {
        const { offset, length } = runs[partition]!;
        return file.cursor(offset, length, readBytes);
      });
      return combine ? combineCursor(mergeCursors(runs), combine) : mergeCursors(runs);
    };
  }

  #spill(): void {
    const spill = { file: new ScratchFile(this.#options.scratch), runs: [] as Run[] };
    this.#spills.push(spill); // now, so that it is closed also when it can't be written
    const encoded = encodeShuffle(this.#options.partitions, this.#inMemory());
    let written = 0;
    for (let step = encoded.next(); ; step = encoded.next()) {
      if (step.done) {
        spill.runs = step.value.runs;
        break;
      }
      spill.file.write(step.value, written);
      written += step.value.length;
    }
    this.#table?.clear();
    this.#buffer.clear();
  }

  #closeSpills(): void {
    for (const { file } of this.#spills) file.close();
  }
}

const digits = allocate(DECIMAL_BYTES_MAX);

/** `combine: 'sum'` where sums of different spills meet. */
function sumOf(group: Groups): Uint8Array {
  const sum = group.sum();
  if (!Number.isSafeInteger(sum)) refuseSum(sum);
  return digits.subarray(0, writeDecimal(sum, digits, 0));
}

function refuseSum(sum: number): never {
  throw notSummable(String(sum));
}

function notSummable(value: string): FuxiError {
  return new FuxiError('ProgramFailed', `combine "sum" takes whole numbers below 2^53, and ${value.slice(0, 100)} is none`);
}
