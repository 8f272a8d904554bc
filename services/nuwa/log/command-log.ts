import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { assertInvariant } from '../../base/assert.ts';
import type { Command } from '../core/tree/command.ts';
import { encode } from './codec.ts';
import { segmentName, snapshotName, syncDir, writeAll, writeAside } from './files.ts';
import { FILE_HEADER_BYTES, fileHeader, frameHeader } from './frame.ts';

export const SEGMENT_KIND = 'NUWALOG1';
const SALT_BYTES = 8;

export interface LogEntry {
  nowMs: number;
  command: Command;
}

/** What one frame of a segment holds: the entries that were synced together, with consecutive indexes. */
export type LogFrame = [firstIndex: number, entries: [nowMs: number, command: Command][]];

/**
 * The write-ahead log, open at its end. What `append` resolved for is on the disk. After a failed write or sync nobody knows
 * what the disk holds (the kernel may drop the pages and report the error once), so the log takes nothing more: a restart
 * reads what is really there.
 */
export class CommandLog {
  readonly #dir: string;
  #file: FileHandle;
  #salt: Uint8Array;
  #position: number;
  #segments: number[];
  #lastIndex: number;
  #failed = false;

  /** For `openLog`; `segments`: first indexes, the last one is open. */
  constructor(from: { dir: string; file: FileHandle; salt: Uint8Array; position: number; segments: number[]; lastIndex: number }) {
    this.#dir = from.dir;
    this.#file = from.file;
    this.#salt = from.salt;
    this.#position = from.position;
    this.#segments = from.segments;
    this.#lastIndex = from.lastIndex;
  }

  get lastIndex(): number {
    return this.#lastIndex;
  }

  /** Bytes of the open segment. */
  get segmentBytes(): number {
    return this.#position;
  }

  /** Resolves when all entries are on the disk. One call at a time. */
  async append(entries: readonly LogEntry[]): Promise<void> {
    assertInvariant(!this.#failed, 'nothing is appended after a failure');
    const frame: LogFrame = [this.#lastIndex + 1, entries.map(({ nowMs, command }) => [nowMs, command])];
    const payload = encode(frame);
    try {
      this.#position = await writeAll(this.#file, [frameHeader(payload, this.#salt), payload], this.#position);
      await this.#file.datasync();
    } catch (error) {
      this.#failed = true;
      throw error;
    }
    this.#lastIndex += entries.length;
  }

  /** Begins a new segment. When that fails, the old one goes on. */
  async rotate(): Promise<void> {
    const firstIndex = this.#lastIndex + 1;
    if (this.#segments.at(-1) === firstIndex) return; // nothing came since the last time
    const opened = await createSegment(this.#dir, firstIndex);
    const old = this.#file;
    this.#file = opened.file;
    this.#salt = opened.salt;
    this.#position = FILE_HEADER_BYTES;
    this.#segments.push(firstIndex);
    await old.close();
  }

  /** A snapshot of the state after `index` is on the disk: removes what it stands for. */
  async compact(index: number, oldSnapshots: readonly number[]): Promise<void> {
    // A segment ends where the next one begins.
    while (this.#segments.length > 1 && this.#segments[1]! <= index + 1) {
      await rm(join(this.#dir, segmentName(this.#segments[0]!)), { force: true });
      this.#segments.shift();
    }
    for (const old of oldSnapshots) await rm(join(this.#dir, snapshotName(old)), { force: true });
    await syncDir(this.#dir);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

export async function createSegment(dir: string, firstIndex: number): Promise<{ file: FileHandle; salt: Uint8Array }> {
  const name = segmentName(firstIndex);
  const salt = randomBytes(SALT_BYTES);
  await writeAside(dir, name, (file) => file.write(fileHeader(SEGMENT_KIND, salt)));
  return { file: await open(join(dir, name), 'r+'), salt };
}
