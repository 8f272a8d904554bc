/**
 * The file in which one attempt leaves its output for the next task: a run for each partition, and an index at the end, for the lengths
 * are known only then. Spills on the local disk have the same form.
 *
 *     file   = run{partitions} index footer
 *     index  = (offset: u64, length: u64, records: u64){partitions}       all numbers little-endian
 *     footer = offset of index: u64, partitions: u32, version: u32, magic: 8 bytes
 *
 * A reader of one partition reads the tail (footer and, mostly, the index with it) and then one range.
 * There is no checksum: Pangu has its own, and spills live no longer than the process that wrote them.
 */
import { FuxiError } from '../contract.ts';
import type { Cursor } from './cursor.ts';
import { allocate } from './memory.ts';
import { RECORD_HEADER_BYTES_MAX, writeRecord } from './run.ts';

const MAGIC = Uint8Array.from('FTSHUFFL', (letter) => letter.charCodeAt(0));
const VERSION = 1;
const ENTRY_BYTES = 24;
export const FOOTER_BYTES = 24;
/** Large enough that a write costs little beside its bytes. */
const BLOCK_BYTES = 1 << 20;

export interface Run {
  offset: number;
  length: number;
  records: number;
}

/**
 * The file's bytes, block by block; a block is used again once the next one is asked for.
 * @returns the runs, for their counts.
 */
export function* encodeShuffle(
  partitions: number,
  partition: (number: number) => Cursor,
): Generator<Uint8Array, { runs: Run[]; bytes: number }> {
  const block = allocate(BLOCK_BYTES);
  const runs: Run[] = [];
  let written = 0;
  let used = 0;
  for (let number = 0; number < partitions; number++) {
    const cursor = partition(number);
    const offset = written + used;
    let records = 0;
    while (cursor.next()) {
      const { key, keyStart, keyEnd, value, valueStart, valueEnd } = cursor;
      const room = RECORD_HEADER_BYTES_MAX + keyEnd - keyStart + valueEnd - valueStart;
      if (room > BLOCK_BYTES - used) {
        yield block.subarray(0, used);
        written += used;
        used = 0;
      }
      if (room > BLOCK_BYTES) {
        const own = allocate(room);
        const length = writeRecord(key, keyStart, keyEnd, value, valueStart, valueEnd, own, 0);
        yield own.subarray(0, length);
        written += length;
      } else {
        used = writeRecord(key, keyStart, keyEnd, value, valueStart, valueEnd, block, used);
      }
      records++;
    }
    runs.push({ offset, length: written + used - offset, records });
  }
  yield block.subarray(0, used);
  written += used;
  const tail = encodeTail(runs, written);
  yield tail;
  return { runs, bytes: written + tail.length };
}

function encodeTail(runs: readonly Run[], indexOffset: number): Uint8Array {
  const tail = new Uint8Array(runs.length * ENTRY_BYTES + FOOTER_BYTES);
  const view = new DataView(tail.buffer);
  runs.forEach(({ offset, length, records }, i) => {
    writeU64(view, i * ENTRY_BYTES, offset);
    writeU64(view, i * ENTRY_BYTES + 8, length);
    writeU64(view, i * ENTRY_BYTES + 16, records);
  });
  const footer = runs.length * ENTRY_BYTES;
  writeU64(view, footer, indexOffset);
  view.setUint32(footer + 8, runs.length, true);
  view.setUint32(footer + 12, VERSION, true);
  tail.set(MAGIC, footer + 16);
  return tail;
}

/** Where a partition's index entry lies in a file of `fileBytes`. */
export function entryPosition(fileBytes: number, partitions: number, partition: number): number {
  return fileBytes - FOOTER_BYTES - (partitions - partition) * ENTRY_BYTES;
}

/**
 * Reads one partition's entry out of the end of a file. `tail` is its last bytes, any number of them.
 * @returns `'short'` when the entry lies before the tail; `partitions` then tells where.
 */
export function decodeTail(tail: Uint8Array, fileBytes: number, partition: number): { run: Run } | { run: 'short'; partitions: number } {
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
  const footer = tail.length - FOOTER_BYTES;
  if (footer < 0) throw corrupt('it is too short');
  if (MAGIC.some((byte, i) => tail[footer + 16 + i] !== byte)) throw corrupt('it does not end as a shuffle file does');
  const version = view.getUint32(footer + 12, true);
  if (version !== VERSION) throw corrupt(`its version is ${version}, not ${VERSION}`);
  const partitions = view.getUint32(footer + 8, true);
  if (partition >= partitions) throw corrupt(`it has ${partitions} partitions, and number ${partition} is wanted`);
  const at = footer - (partitions - partition) * ENTRY_BYTES;
  if (at < 0) return { run: 'short', partitions };
  const run = { offset: readU64(view, at), length: readU64(view, at + 8), records: readU64(view, at + 16) };
  if (run.offset + run.length > fileBytes - FOOTER_BYTES) throw corrupt('a run lies beyond its end');
  return { run };
}

function corrupt(why: string): FuxiError {
  return new FuxiError('InputCorrupt', `this is no whole shuffle file: ${why}`);
}

function writeU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 2 ** 32, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

function readU64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}
