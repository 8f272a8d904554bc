import type { Crc } from './blocks.ts';
import { RANDOM_BLOCK_BYTES } from './random-format.ts';

/**
 * The journal of what is written to chunks of random files, before it is written in place.
 *
 * Two segments take turns. A segment begins with its header, twice; then come records of one *generation*, each at a sector of its own, the next where the
 * one before it ends. A record has whole blocks, never parts of them: doing it again needs nothing of what was there before, so that a block torn by a
 * loss of power in mid-overwrite is simply written anew, and doing all of them again, from any older state, ends in the newest.
 *
 * A segment is used again only when all that its records say is on disk in place. Its header is on disk, with the next generation, before its first
 * record is written; so records left over from its former life are told by their generation.
 *
 * What is read back ends at the first record that is not whole. That is the torn end of what nobody was told of, unless something says that more than
 * this had been on disk: a later record (`syncedBytes`) or the header of the next generation (`previousBytes`). Then the journal is damaged.
 */
export const SECTOR_BYTES = 512;
/** Two headers in pages of their own, so that no torn write spoils both. */
export const RECORDS_OFFSET = 8192;
const HEADER_PAGE_BYTES = 4096;
const HEADER_MAGIC = 0x46544a48;
const RECORD_MAGIC = 0x46544a52;
/** Before the id. */
const FIXED_BYTES = 48;

export const RECORD_KINDS = ['make', 'write', 'cut', 'version', 'delete'] as const;
export type RecordKind = (typeof RECORD_KINDS)[number];

/** One change of one chunk. `version` and `end` are those after it. */
export interface JournalRecord {
  kind: RecordKind;
  chunk: string;
  capacityBytes: number;
  version: number;
  end: number;
  /** The checkpoint of the chunk (`RandomState.sequence`) that this one comes after. */
  base: number;
  /** Of the first of `blocks`. A cut forgets all after `firstBlock + blocks.length`. */
  firstBlock: number;
  /** Whole blocks, one after the other, and what the table says of each. */
  blocks: readonly Uint8Array[];
  sums: readonly number[];
}

export interface SegmentHeader {
  generation: number;
  /** Where the records of the generation before this one end. */
  previousBytes: number;
}

const padded = (bytes: number): number => Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES;

/** How much of the journal a record of so many blocks takes. */
export function recordBytes(chunk: string, blocks: number): number {
  return padded(FIXED_BYTES + chunk.length + 4 * blocks) + blocks * RANDOM_BLOCK_BYTES;
}

/** The head of a record, to be followed by its blocks. */
export function encodeRecordHead(
  record: JournalRecord,
  place: { generation: number; position: number; syncedBytes: number },
  crc: Crc,
): Buffer {
  const { chunk, blocks, sums } = record;
  const head = Buffer.alloc(padded(FIXED_BYTES + chunk.length + 4 * blocks.length));
  head.writeUInt32LE(RECORD_MAGIC, 0);
  head.writeUInt32LE(place.generation, 8);
  head.writeUInt32LE(place.position, 12);
  head.writeUInt32LE(place.syncedBytes, 16);
  head.writeUInt16LE(RECORD_KINDS.indexOf(record.kind), 20);
  head.writeUInt16LE(chunk.length, 22);
  head.writeUInt32LE(record.capacityBytes, 24);
  head.writeUInt32LE(record.version, 28);
  head.writeUInt32LE(record.end, 32);
  head.writeUInt32LE(record.firstBlock, 36);
  head.writeUInt32LE(blocks.length, 40);
  head.writeUInt32LE(record.base, 44);
  head.write(chunk, FIXED_BYTES, 'latin1');
  for (const [i, sum] of sums.entries()) head.writeUInt32LE(sum, FIXED_BYTES + chunk.length + 4 * i);
  head.writeUInt32LE(crc(head.subarray(8)), 4);
  return head;
}

/** The record at `position` of a segment; undefined when none of this generation is there, whole. `sumOf`: as in the table. */
export function decodeRecord(
  segment: Buffer,
  position: number,
  generation: number,
  { crc, sumOf }: { crc: Crc; sumOf: (block: Uint8Array) => number },
): { record: JournalRecord; nextPosition: number; syncedBytes: number } | undefined {
  if (position + SECTOR_BYTES > segment.length || segment.readUInt32LE(position) !== RECORD_MAGIC) return undefined;
  if (segment.readUInt32LE(position + 8) !== generation || segment.readUInt32LE(position + 12) !== position) return undefined;
  const kind = RECORD_KINDS[segment.readUInt16LE(position + 20)];
  const idBytes = segment.readUInt16LE(position + 22);
  const count = segment.readUInt32LE(position + 40);
  const headBytes = padded(FIXED_BYTES + idBytes + 4 * count);
  const nextPosition = position + headBytes + count * RANDOM_BLOCK_BYTES;
  if (!kind || nextPosition > segment.length) return undefined;
  const head = segment.subarray(position, position + headBytes);
  if (crc(head.subarray(8)) !== head.readUInt32LE(4)) return undefined;
  const blocks = Array.from({ length: count }, (_, i) => {
    const at = position + headBytes + i * RANDOM_BLOCK_BYTES;
    return segment.subarray(at, at + RANDOM_BLOCK_BYTES);
  });
  const sums = blocks.map((_, i) => head.readUInt32LE(FIXED_BYTES + idBytes + 4 * i));
  if (blocks.some((block, i) => sumOf(block) !== sums[i])) return undefined;
  const record: JournalRecord = {
    kind,
    chunk: head.toString('latin1', FIXED_BYTES, FIXED_BYTES + idBytes),
    capacityBytes: head.readUInt32LE(24),
    version: head.readUInt32LE(28),
    end: head.readUInt32LE(32),
    base: head.readUInt32LE(44),
    firstBlock: head.readUInt32LE(36),
    blocks,
    sums,
  };
  return { record, nextPosition, syncedBytes: head.readUInt32LE(16) };
}

export function encodeSegmentHeader({ generation, previousBytes }: SegmentHeader, crc: Crc): Buffer {
  const header = Buffer.alloc(RECORDS_OFFSET);
  for (const at of [0, HEADER_PAGE_BYTES]) {
    header.writeUInt32LE(HEADER_MAGIC, at);
    header.writeUInt32LE(generation, at + 8);
    header.writeUInt32LE(previousBytes, at + 12);
    header.writeUInt32LE(crc(header.subarray(at + 8, at + 16)), at + 4);
  }
  return header;
}

/** The newer of the two headers: a torn write leaves one that is whole. */
export function decodeSegmentHeader(segment: Buffer, crc: Crc): SegmentHeader | undefined {
  const found = [0, HEADER_PAGE_BYTES].flatMap((at) => {
    if (segment.length < at + SECTOR_BYTES || segment.readUInt32LE(at) !== HEADER_MAGIC) return [];
    if (crc(segment.subarray(at + 8, at + 16)) !== segment.readUInt32LE(at + 4)) return [];
    return [{ generation: segment.readUInt32LE(at + 8), previousBytes: segment.readUInt32LE(at + 12) }];
  });
  return found.sort((a, b) => b.generation - a.generation)[0];
}

/**
 * The records of one generation in a segment. `end`: where they end; `damaged`: something says that more had been on disk. `bytesAtLeast`: what the next
 * segment's header says of this one.
 */
export function readSegment(
  segment: Buffer,
  generation: number,
  bytesAtLeast: number,
  sums: { crc: Crc; sumOf: (block: Uint8Array) => number },
): { records: JournalRecord[]; end: number; damaged: boolean } {
  const records: JournalRecord[] = [];
  let end = RECORDS_OFFSET;
  for (let found = decodeRecord(segment, end, generation, sums); found; found = decodeRecord(segment, end, generation, sums)) {
    records.push(found.record);
    end = found.nextPosition;
  }
  let damaged = end < bytesAtLeast;
  for (let at = end; at < segment.length && !damaged; at += SECTOR_BYTES) {
    const later = decodeRecord(segment, at, generation, sums);
    if (later && later.syncedBytes > end) damaged = true;
  }
  return { records, end, damaged };
}
