import { BLOCK_BYTES } from '../contract.ts';

/** A part of a range that lies within one block of a chunk. */
export interface BlockPiece {
  block: number;
  /** Where it begins within the range. */
  start: number;
  length: number;
  /** Where it begins within its block. */
  blockOffset: number;
}

/** Cuts the range [offset, offset + length) of a chunk where its blocks end. */
export function cutAtBlocks(offset: number, length: number): BlockPiece[] {
  const pieces: BlockPiece[] = [];
  for (let start = 0; start < length; ) {
    const at = offset + start;
    const blockOffset = at % BLOCK_BYTES;
    const piece = Math.min(BLOCK_BYTES - blockOffset, length - start);
    pieces.push({ block: (at - blockOffset) / BLOCK_BYTES, start, length: piece, blockOffset });
    start += piece;
  }
  return pieces;
}

export type Crc = (bytes: Uint8Array, initial?: number) => number;

export function crcsOf(bytes: Uint8Array, offset: number, crc: Crc): number[] {
  return cutAtBlocks(offset, bytes.length).map((piece) => crc(bytes.subarray(piece.start, piece.start + piece.length)));
}

/** Index into `crcs` of the first piece whose bytes do not fit, -1 when all do; 0 when their number is wrong. */
export function findMismatch(bytes: Uint8Array, offset: number, crcs: readonly number[], crc: Crc): number {
  const pieces = cutAtBlocks(offset, bytes.length);
  if (pieces.length !== crcs.length) return 0;
  return pieces.findIndex((piece, i) => crc(bytes.subarray(piece.start, piece.start + piece.length)) !== crcs[i]);
}

/**
 * Where in the chunk the first block begins whose bytes do not fit its checksum, or were not all read; undefined when all are good. `bytes` begin where a block does,
 * at `from`; `readBytes`: so many of them came.
 */
export function findBadBlock(
  bytes: Uint8Array,
  readBytes: number,
  from: number,
  checksumOf: (block: number) => number | undefined,
  crc: Crc,
): number | undefined {
  const isGood = ({ block, start, length }: BlockPiece): boolean =>
    start + length <= readBytes && crc(bytes.subarray(start, start + length)) === checksumOf(block);
  const bad = cutAtBlocks(from, bytes.length).find((piece) => !isGood(piece));
  return bad && from + bad.start;
}

/**
 * Notes in `table` the CRC32C of each block that these bytes fill, appended at `offset` behind a partial block whose checksum is `before`; returns that of the last, partial
 * block. `crcs`, if they are known: of the pieces.
 */
export function sumBlocks(
  table: Uint32Array,
  offset: number,
  bytes: Uint8Array,
  before: number,
  crc: Crc,
  crcs: readonly number[] = [],
): number {
  let tailCrc = before;
  cutAtBlocks(offset, bytes.length).forEach(({ block, start, length, blockOffset }, i) => {
    const part = bytes.subarray(start, start + length);
    const sum = blockOffset === 0 ? (crcs[i] ?? crc(part)) : crc(part, tailCrc);
    const full = blockOffset + length === BLOCK_BYTES;
    if (full) table[block] = sum;
    tailCrc = full ? 0 : sum;
  });
  return tailCrc;
}
