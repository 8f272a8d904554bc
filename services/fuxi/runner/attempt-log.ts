/**
 * Standard error of one attempt, in a file of bounded length, and its tail for the failure. Most attempts say nothing, so the file is made
 * with the first byte. Written at once and not in the background: what a program said last before it died is what one wants to read.
 */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { STDERR_TAIL_BYTES } from './failures.ts';

/** An attempt that writes more has the rest dropped; its tail is kept for the failure all the same. */
export const LOG_BYTES_MAX = 16 * 1024 * 1024;

export class AttemptLog {
  readonly #path: string;
  #fd: number | undefined;
  #written = 0;
  #tail: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.#path = path;
  }

  write(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const kept = bytes.length >= STDERR_TAIL_BYTES ? bytes : Buffer.concat([this.#tail, bytes]);
    this.#tail = Buffer.from(kept.subarray(Math.max(0, kept.length - STDERR_TAIL_BYTES)));
    const room = LOG_BYTES_MAX - this.#written;
    if (room <= 0) return;
    if (this.#fd === undefined) {
      mkdirSync(dirname(this.#path), { recursive: true });
      this.#fd = openSync(this.#path, 'a');
    }
    this.#written += writeSync(this.#fd, bytes.subarray(0, room));
  }

  /** The last bytes as text, from the beginning of a line where that can be had. */
  get tail(): string {
    const text = this.#tail.toString('utf8');
    if (this.#tail.length < STDERR_TAIL_BYTES) return text;
    const newline = text.indexOf('\n');
    return newline >= 0 && newline < text.length - 1 ? text.slice(newline + 1) : text;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
