/**
 * Runs on the container's own disk: spills of a map, and the inputs of a reduce that do not fit in memory. Files are opened and at once removed
 * from their directory, so that they end with the process, however it ends. Reading and writing wait: a program emits, and values
 * are read, between two steps of the event loop, and this disk is near.
 */
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { FuxiError } from '../contract.ts';
import type { Cursor } from '../core/cursor.ts';
import { NO_BYTES } from '../core/memory.ts';
import { RunCursor } from '../core/run.ts';

/** One read of a local run. Between the two, as many runs share the memory there is. */
const READ_BYTES_MIN = 16 * 1024;
const READ_BYTES_MAX = 256 * 1024;

let files = 0;

export class ScratchFile {
  readonly fd: number;
  #closed = false;

  constructor(directory: string) {
    const path = join(directory, `${process.pid}.${files++}`);
    this.fd = guard(() => openSync(path, 'wx+', 0o600));
    unlinkSync(path);
  }

  write(bytes: Uint8Array, position: number): void {
    guard(() => {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.fd, bytes, done, bytes.length - done, position + done);
    });
  }

  /** Fills `to` from `at` on. */
  read(to: Uint8Array, at: number, position: number): void {
    guard(() => {
      for (let done = at; done < to.length; ) {
        const read = readSync(this.fd, to, done, to.length - done, position + done - at);
        if (read === 0) throw new Error('a scratch file is shorter than it was written');
        done += read;
      }
    });
  }

  /** A cursor over the run in `[offset, offset + length)`. */
  cursor(offset: number, length: number, readBytes: number): Cursor {
    let position = offset;
    const past = offset + length;
    return new RunCursor(NO_BYTES, (rest, needed) => {
      const bytes = Math.min(Math.max(readBytes, needed), rest.length + past - position);
      if (bytes === rest.length) return undefined;
      // Always new memory: what a program was given from the block before stays good.
      const block = Buffer.allocUnsafeSlow(bytes);
      block.set(rest);
      this.read(block, rest.length, position);
      position += bytes - rest.length;
      return block;
    });
  }

  close(): void {
    if (!this.#closed) closeSync(this.fd);
    this.#closed = true;
  }
}

/** How much to read at a time from each of `runs` when all of them together may hold `memoryBytes`. */
export function readBytesOf(runs: number, memoryBytes: number): number {
  return Math.max(READ_BYTES_MIN, Math.min(READ_BYTES_MAX, Math.floor(memoryBytes / Math.max(1, runs))));
}

function guard<T>(use: () => T): T {
  try {
    return use();
  } catch (error) {
    throw new FuxiError('StorageFailed', `scratch space of this machine: ${(error as Error).message}`, { cause: error });
  }
}
