/**
 * A task's published output: `key\tvalue\n` for each record of a module, the very bytes of a command. Records gather in blocks; a full block waits in a
 * queue, which `drain` sends on. Records of one key are written as the program gave them, bytes as they stand.
 */
import type { PanguFile } from '../../pangu/contract.ts';
import { copyBytes, countNewlines, DECIMAL_BYTES_MAX, writeDecimal } from '../core/bytes.ts';
import { allocate } from '../core/memory.ts';
import { type AttemptOutput, type OutputCounts, writing } from './output.ts';

const BLOCK_BYTES = 1 << 20;
const TAB = 0x09;
const NEWLINE = 0x0a;

export class FilesOutput implements AttemptOutput {
  readonly #file: PanguFile;
  readonly #queue: Uint8Array[] = [];
  #block: Uint8Array = allocate(1 << 16);
  #used = 0;
  #recordsOut = 0;
  #bytesOut = 0;
  readonly #digits = allocate(DECIMAL_BYTES_MAX);

  constructor(file: PanguFile) {
    this.#file = file;
  }

  get full(): boolean {
    return this.#queue.length > 0;
  }

  record(key: Uint8Array, keyStart: number, keyEnd: number, value: Uint8Array, valueStart: number, valueEnd: number): void {
    const length = keyEnd - keyStart + valueEnd - valueStart + 2;
    if (this.#used + length > this.#block.length) this.#makeRoom(length);
    const block = this.#block;
    let at = copyBytes(key, keyStart, keyEnd, block, this.#used);
    if (valueEnd > valueStart) {
      block[at++] = TAB;
      at = copyBytes(value, valueStart, valueEnd, block, at);
    }
    block[at++] = NEWLINE;
    this.#used = at;
    this.#recordsOut++;
  }

  number(key: Uint8Array, keyStart: number, keyEnd: number, value: number): void {
    this.record(key, keyStart, keyEnd, this.#digits, 0, writeDecimal(value, this.#digits, 0));
  }

  /** Bytes of a command, as they stand. */
  raw(bytes: Uint8Array): void {
    if (this.#used + bytes.length > this.#block.length) this.#makeRoom(bytes.length);
    this.#block.set(bytes, this.#used);
    this.#used += bytes.length;
    this.#recordsOut += countNewlines(bytes, 0, bytes.length);
  }

  #makeRoom(length: number): void {
    if (this.#used > 0) this.#queue.push(this.#block.subarray(0, this.#used));
    this.#block = allocate(Math.max(BLOCK_BYTES, length));
    this.#used = 0;
  }

  async drain(): Promise<void> {
    for (let block = this.#queue.shift(); block; block = this.#queue.shift()) {
      const bytes = block;
      await writing(this.#file, () => this.#file.write(bytes));
      this.#bytesOut += bytes.length;
    }
  }

  async close(): Promise<OutputCounts> {
    this.#makeRoom(0);
    await this.drain();
    await writing(this.#file, () => this.#file.close());
    return { bytesOut: this.#bytesOut, recordsOut: this.#recordsOut };
  }

  async abort(): Promise<void> {
    await this.#file.abort();
  }
}
