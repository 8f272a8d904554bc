import { join } from 'node:path';
import type { Entry, HardState } from '../core/raft/types.ts';
import { LogDamage } from './damage.ts';
import { type FileSystem, nodeFiles } from './file-system.ts';
import { segmentFile } from './files.ts';
import { FILE_HEADER_BYTES, FRAME_HEADER_BYTES, saltOf, scanFrames } from './frame.ts';
import { decodeRecords } from './record.ts';

export const SEGMENT_KIND = 'NUWALOG2';

/** A segment as it was read. */
export interface ReadSegment {
  salt: Buffer;
  /** Where the last good frame ends. */
  endOffset: number;
  fileBytes: number;
  frames: number;
  /** What follows the last good frame: nothing, or the beginning of one that a crash tore. */
  torn: boolean;
  /** The highest index of an entry in it; 0: it has none. */
  maxIndex: number;
}

/** A log as its segments tell it: what is in force of its entries, and the hard state. */
export class LogReader {
  /** Consecutive, from just after `afterIndex` on. */
  readonly entries: Entry[] = [];
  hardState: HardState = { term: 0, vote: undefined };
  readonly #afterIndex: number;
  readonly #files: FileSystem;

  /** Entries up to `afterIndex` are in a snapshot. */
  constructor(afterIndex: number, files: FileSystem = nodeFiles) {
    this.#afterIndex = afterIndex;
    this.#files = files;
  }

  get lastIndex(): number {
    return this.#afterIndex + this.entries.length;
  }

  /** Reads one more segment, in their order; `last`: none follows. Nothing is changed on the disk. Throws LogDamage. */
  async read(dir: string, segment: number, { last }: { last: boolean }): Promise<ReadSegment> {
    const path = join(dir, segmentFile(segment));
    const file = await this.#files.readFile(path);
    const salt = saltOf(file, SEGMENT_KIND);
    if (!salt) throw new LogDamage(path, 'its header is damaged');
    const { payloads, endOffset, after } = scanFrames(file, salt);
    if (after === 'damage') throw new LogDamage(path, `the record at byte ${endOffset} is damaged, and good records follow it`);
    if (payloads.length === 0) throw new LogDamage(path, 'its first record is damaged: a segment is never there without it');
    const torn = after === 'torn' && !isZero(file, endOffset);
    if (torn && !last) throw new LogDamage(path, `it breaks off at byte ${endOffset}, and another segment follows it`);
    let maxIndex = 0;
    let offset = FILE_HEADER_BYTES;
    for (const payload of payloads) {
      try {
        for (const { hardState, entry } of decodeRecords(payload)) {
          if (hardState) {
            if (hardState.term < this.hardState.term) throw new Error(`term ${hardState.term} after ${this.hardState.term}`);
            this.hardState = hardState;
          }
          if (!entry) continue;
          maxIndex = Math.max(maxIndex, entry.index);
          this.#take(entry);
        }
      } catch (error) {
        throw new LogDamage(path, `the record at byte ${offset} cannot be: ${(error as Error).message}`);
      }
      offset += FRAME_HEADER_BYTES + payload.length;
    }
    return {
      salt: Buffer.from(salt),
      endOffset,
      fileBytes: file.length,
      frames: payloads.length,
      torn,
      maxIndex,
    };
  }

  /** An entry voids those that stood at its index and after it: a leader had others. */
  #take(entry: Entry): void {
    const at = entry.index - this.#afterIndex - 1;
    if (at < 0) {
      // The snapshot has it. But it voids what stood after it as any other does: a leader may have replaced entries up to there and none beyond.
      this.entries.length = 0;
      return;
    }
    if (at > this.entries.length) throw new Error(`entry ${entry.index} follows ${this.lastIndex}`);
    this.entries.length = at;
    this.entries.push(entry);
  }
}

/** What a segment was filled with ahead of its end. */
function isZero(file: Buffer, from: number): boolean {
  for (let at = from; at < file.length; at++) if (file[at] !== 0) return false;
  return true;
}
