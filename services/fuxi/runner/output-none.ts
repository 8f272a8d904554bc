import { DECIMAL_BYTES_MAX, writeDecimal } from '../core/bytes.ts';
import { allocate } from '../core/memory.ts';
import type { AttemptOutput, OutputCounts } from './output.ts';

/** For a task without output: records are counted and dropped. */
export class NoOutput implements AttemptOutput {
  readonly full = false;
  readonly #counts: OutputCounts = { bytesOut: 0, recordsOut: 0 };
  readonly #digits = allocate(DECIMAL_BYTES_MAX);

  record(_key: Uint8Array, keyStart: number, keyEnd: number, _value: Uint8Array, valueStart: number, valueEnd: number): void {
    this.#counts.recordsOut++;
    this.#counts.bytesOut += keyEnd - keyStart + valueEnd - valueStart;
  }

  number(key: Uint8Array, keyStart: number, keyEnd: number, value: number): void {
    this.record(key, keyStart, keyEnd, this.#digits, 0, writeDecimal(value, this.#digits, 0));
  }

  async drain(): Promise<void> {}

  async close(): Promise<OutputCounts> {
    return this.#counts;
  }

  async abort(): Promise<void> {}
}
