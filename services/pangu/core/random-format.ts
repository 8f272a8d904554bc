import type { Crc } from './blocks.ts';

/**
 * The file of a chunk that may be written anywhere.
 *
 *     0        region 0    state (512 bytes, with a CRC), at 4096 the table
 *     R        region 1    the same
 *     2 R      data
 *
 * The table has four bytes for each block of 4 KiB: its CRC32C xor that of zeros. So a sum of 0 says that the block is all zeros, a table of zeros that
 * nothing was written yet, and such blocks are not read from the file at all: a cut only forgets sums.
 *
 * The two regions take turns: a checkpoint writes blocks in place and all of the older region, then syncs once. Until that is known to have come true the
 * journal has the same blocks (core/random-journal.ts) and the other region is whole, so a loss of power in mid-checkpoint is mended by the journal.
 * The CRC of the state covers the table too: what a disk forgets of either is noticed.
 */
export const RANDOM_BLOCK_BYTES = 4096;
const PAGE_BYTES = 4096;
const STATE_BYTES = 512;
const MAGIC = 0x46545243;
const ID_BYTES_MAX = 64;

/** What one region says of a chunk. */
export interface RandomState {
  chunk: string;
  capacityBytes: number;
  /** Replicas of another version are never read or written. */
  version: number;
  /** Where the last byte written ends; 0 for none. */
  end: number;
  /** Of checkpoints: the region with the larger one holds. */
  sequence: number;
}

export const blocksIn = (bytes: number): number => Math.ceil(bytes / RANDOM_BLOCK_BYTES);

export function regionBytes(capacityBytes: number): number {
  return PAGE_BYTES + Math.ceil((blocksIn(capacityBytes) * 4) / PAGE_BYTES) * PAGE_BYTES;
}

export const regionOffset = (capacityBytes: number, sequence: number): number => (sequence % 2) * regionBytes(capacityBytes);
export const randomDataOffset = (capacityBytes: number): number => 2 * regionBytes(capacityBytes);

let zeroCrc: number | undefined;

/** What the table says of a block. 0 is of zeros alone: another block that comes to it, as one in four thousand million does, gets the last number instead. */
export function sumOf(block: Uint8Array, crc: Crc): number {
  zeroCrc ??= crc(new Uint8Array(RANDOM_BLOCK_BYTES));
  const sum = (crc(block) ^ zeroCrc) >>> 0;
  return sum === 0 && block.some((byte) => byte !== 0) ? 0xffff_ffff : sum;
}

export function encodeRegion(state: RandomState, table: Uint32Array, crc: Crc): Buffer {
  const region = Buffer.alloc(regionBytes(state.capacityBytes));
  region.set(tableBytes(table), PAGE_BYTES);
  region.writeUInt32LE(MAGIC, 0);
  region.writeUInt32LE(state.chunk.length, 4);
  region.write(state.chunk, 8, 'latin1');
  const at = 8 + ID_BYTES_MAX;
  region.writeUInt32LE(state.capacityBytes, at);
  region.writeUInt32LE(state.version, at + 4);
  region.writeUInt32LE(state.end, at + 8);
  region.writeDoubleLE(state.sequence, at + 12);
  region.writeUInt32LE(crc(region.subarray(PAGE_BYTES)), STATE_BYTES - 8);
  region.writeUInt32LE(crc(region.subarray(0, STATE_BYTES - 4)), STATE_BYTES - 4);
  return region;
}

/** What a page says, its table not looked at; undefined when it is none. */
export function decodeState(page: Buffer, crc: Crc): (RandomState & { tableCrc: number }) | undefined {
  if (page.length < STATE_BYTES || page.readUInt32LE(0) !== MAGIC) return undefined;
  if (crc(page.subarray(0, STATE_BYTES - 4)) !== page.readUInt32LE(STATE_BYTES - 4)) return undefined;
  const at = 8 + ID_BYTES_MAX;
  return {
    chunk: page.toString('latin1', 8, 8 + page.readUInt32LE(4)),
    capacityBytes: page.readUInt32LE(at),
    version: page.readUInt32LE(at + 4),
    end: page.readUInt32LE(at + 8),
    sequence: page.readDoubleLE(at + 12),
    tableCrc: page.readUInt32LE(STATE_BYTES - 8),
  };
}

/** State and table of a region; undefined when it is not whole. */
export function decodeRegion(region: Buffer, crc: Crc): { state: RandomState; table: Uint32Array } | undefined {
  const found = decodeState(region, crc);
  if (!found) return undefined;
  const { tableCrc, ...state } = found;
  const bytes = region.subarray(PAGE_BYTES, regionBytes(state.capacityBytes));
  if (bytes.length !== regionBytes(state.capacityBytes) - PAGE_BYTES || crc(bytes) !== tableCrc) return undefined;
  return { state, table: readTable(bytes, blocksIn(state.capacityBytes)) };
}

/** As it lies on disk and travels: little-endian, which is what machines that run this are. */
export function tableBytes(table: Uint32Array): Buffer {
  return Buffer.from(table.buffer, table.byteOffset, table.byteLength);
}

export function readTable(bytes: Uint8Array, blocks: number): Uint32Array {
  return new Uint32Array(Uint8Array.from(bytes.subarray(0, blocks * 4)).buffer);
}
