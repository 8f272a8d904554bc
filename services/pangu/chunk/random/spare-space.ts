import type { StatsFs } from 'node:fs';
import { mkdir, statfs } from 'node:fs/promises';
import { ChunkError } from '../../chunk-contract.ts';
import { diskError } from '../disk.ts';

/** Two segments of journal fill no faster than this. */
const LOOK_MS = 1_000;

/** Sees to it that a disk keeps room for what was acknowledged and has yet to find its place. */
export class SpareSpace {
  readonly #path: string;
  readonly #spareBytes: number;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #freeBytes = Number.POSITIVE_INFINITY;

  constructor(path: string, spareBytes: number) {
    this.#path = path;
    this.#spareBytes = spareBytes;
  }

  /** Errors: NoSpace. */
  async assert(): Promise<void> {
    const nowMs = performance.now();
    if (nowMs - this.#lookedAtMs > LOOK_MS) {
      this.#lookedAtMs = nowMs;
      const { bavail, bsize } = await this.#look();
      this.#freeBytes = bavail * bsize;
    }
    if (this.#freeBytes < this.#spareBytes)
      throw new ChunkError('NoSpace', `${this.#freeBytes} bytes are free, ${this.#spareBytes} are kept for what the journal holds`);
  }

  /** Where nothing was stored yet its directory is made. */
  async #look(): Promise<StatsFs> {
    try {
      await mkdir(this.#path, { recursive: true });
      return await statfs(this.#path);
    } catch (error) {
      throw diskError(error, `look for room in ${this.#path}`);
    }
  }
}
