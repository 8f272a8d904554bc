import type { ChunkError } from '../chunk-contract.ts';
import type { DiskCalls } from './disk.ts';

/** While a chunk grows, its bytes are pushed to disk this often, so that the sync at its end has little left to do. */
const FLUSH_BYTES = 8 * 1024 * 1024;

export class FlushAhead {
  readonly #disk: DiskCalls;
  readonly #fd: number;
  readonly #failed: (error: ChunkError) => void;
  #flushedLength = 0;
  #flushing: Promise<void> | undefined;

  constructor(disk: DiskCalls, fd: number, failed: (error: ChunkError) => void) {
    this.#disk = disk;
    this.#fd = fd;
    this.#failed = failed;
  }

  /** The descriptor must stay open until then. */
  get settled(): Promise<void> | undefined {
    return this.#flushing;
  }

  reached(length: number): void {
    if (this.#flushing || length - this.#flushedLength < FLUSH_BYTES) return;
    this.#flushedLength = length;
    this.#flushing = this.#disk
      .fdatasync(this.#fd)
      .catch(this.#failed)
      .finally(() => {
        this.#flushing = undefined;
      });
  }
}
