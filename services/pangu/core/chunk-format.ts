import { BLOCK_BYTES } from '../contract.ts';
import type { Crc } from './blocks.ts';

/**
 * The file of one chunk on a chunk server's disk.
 *
 *   0              ident      which chunk this is and how large it may grow; written once
 *   512, 1024      records    two of them: how long the chunk is, the CRC32C of its last, partial block, and whether it is sealed
 *   4096           table      the CRC32C of each full block, 4 bytes each, room for the whole capacity, rounded up to 4096
 *   dataOffset     data
 *
 * Each record is one disk sector with a CRC of its own, so a torn one is noticed. They are written in turn: record n+1 never
 * overwrites record n before n+1 is on disk, and appending changes neither a byte nor a table entry that n speaks of. So after a loss of power the
 * newest record whose blocks all verify is the chunk, and at worst that is the last one that was synced.
 * All numbers are little-endian.
 */
export const IDENT_BYTES = 512;
export const RECORD_BYTES = 512;
export const RECORD_OFFSETS = [512, 1024] as const;
export const TABLE_OFFSET = 4096;
const PAGE_BYTES = 4096;
const IDENT_MAGIC = 0x6b_6e_68_63; // "chnk"
const RECORD_MAGIC = 0x64_72_63_72; // "rcrd"
const VERSION = 1;

export interface ChunkIdent {
  chunk: string;
  capacityBytes: number;
}

export interface ChunkRecord {
  /** 1 for the first record, one more for each; record n lies at RECORD_OFFSETS[n % 2]. */
  sequence: number;
  length: number;
  /** CRC32C of the bytes in the last block when it is not full; 0 when it is. */
  tailCrc: number;
  sealed: boolean;
}

export function dataOffset(capacityBytes: number): number {
  const tableBytes = (capacityBytes / BLOCK_BYTES) * 4;
  return TABLE_OFFSET + Math.ceil(tableBytes / PAGE_BYTES) * PAGE_BYTES;
}

export function fullBlocks(length: number): number {
  return Math.floor(length / BLOCK_BYTES);
}

export function recordOffset(sequence: number): number {
  return RECORD_OFFSETS[sequence % 2]!;
}

export function encodeIdent(ident: ChunkIdent, crc: Crc): Uint8Array {
  const bytes = new Uint8Array(IDENT_BYTES);
  const view = new DataView(bytes.buffer);
  const id = new TextEncoder().encode(ident.chunk);
  view.setUint32(0, IDENT_MAGIC, true);
  view.setUint32(4, VERSION, true);
  view.setUint32(8, ident.capacityBytes, true);
  view.setUint32(12, id.length, true);
  bytes.set(id, 16);
  view.setUint32(IDENT_BYTES - 4, crc(bytes.subarray(0, IDENT_BYTES - 4)), true);
  return bytes;
}

/** Undefined when these bytes are no ident. */
export function decodeIdent(bytes: Uint8Array, crc: Crc): ChunkIdent | undefined {
  if (bytes.length < IDENT_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, IDENT_BYTES);
  if (view.getUint32(0, true) !== IDENT_MAGIC || view.getUint32(4, true) !== VERSION) return undefined;
  if (view.getUint32(IDENT_BYTES - 4, true) !== crc(bytes.subarray(0, IDENT_BYTES - 4))) return undefined;
  const idBytes = view.getUint32(12, true);
  return { capacityBytes: view.getUint32(8, true), chunk: new TextDecoder().decode(bytes.subarray(16, 16 + idBytes)) };
}

export function encodeRecord(record: ChunkRecord, crc: Crc): Uint8Array {
  const bytes = new Uint8Array(RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, RECORD_MAGIC, true);
  view.setUint32(4, record.sealed ? 1 : 0, true);
  view.setFloat64(8, record.sequence, true);
  view.setUint32(16, record.length, true);
  view.setUint32(20, record.tailCrc, true);
  view.setUint32(RECORD_BYTES - 4, crc(bytes.subarray(0, RECORD_BYTES - 4)), true);
  return bytes;
}

export function decodeRecord(bytes: Uint8Array, crc: Crc): ChunkRecord | undefined {
  if (bytes.length < RECORD_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, RECORD_BYTES);
  if (view.getUint32(0, true) !== RECORD_MAGIC) return undefined;
  if (view.getUint32(RECORD_BYTES - 4, true) !== crc(bytes.subarray(0, RECORD_BYTES - 4))) return undefined;
  return {
    sealed: view.getUint32(4, true) === 1,
    sequence: view.getFloat64(8, true),
    length: view.getUint32(16, true),
    tailCrc: view.getUint32(20, true),
  };
}

/** The header page's records that are whole and make sense for this chunk, the newest first. */
export function readableRecords(page: Uint8Array, capacityBytes: number, crc: Crc): ChunkRecord[] {
  return RECORD_OFFSETS.map((at) => decodeRecord(page.subarray(at, at + RECORD_BYTES), crc))
    .filter((record) => record !== undefined)
    .filter((record) => record.length <= capacityBytes)
    .sort((a, b) => b.sequence - a.sequence);
}

/** The checksums of blocks `from` to `to` (exclusive) as they stand in the file. */
export function encodeTable(table: Uint32Array, from: number, to: number): Buffer {
  const bytes = Buffer.alloc((to - from) * 4);
  for (let block = from; block < to; block++) bytes.writeUInt32LE(table[block]!, (block - from) * 4);
  return bytes;
}

/**
 * All before the data, at once with the first bytes: a disk that fills up later still has room for the table and the records, and a small chunk
 * is one write.
 */
export function encodeHeader(ident: ChunkIdent, record: ChunkRecord | undefined, table: Uint32Array, crc: Crc): Buffer {
  const header = Buffer.alloc(dataOffset(ident.capacityBytes));
  header.set(encodeIdent(ident, crc));
  if (record) {
    header.set(encodeRecord(record, crc), recordOffset(record.sequence));
    header.set(encodeTable(table, 0, fullBlocks(record.length)), TABLE_OFFSET);
  }
  return header;
}
