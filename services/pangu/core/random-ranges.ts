/** Where two tables of sums differ, as ranges of up to `blocksMax` neighbouring blocks. */
export function differingRanges(ours: Uint32Array, theirs: Uint32Array, blocksMax: number): { block: number; count: number }[] {
  const ranges: { block: number; count: number }[] = [];
  for (let block = 0; block < theirs.length; block++) {
    if (ours[block] === theirs[block]) continue;
    const last = ranges.at(-1);
    if (last && last.block + last.count === block && last.count < blocksMax) last.count++;
    else ranges.push({ block, count: 1 });
  }
  return ranges;
}

/** A part of a file's range that lies in one chunk. Chunks of random files lie side by side, each `chunkBytes` long, whether they are there or not. */
export interface IndexedRange {
  index: number;
  /** Within the chunk. */
  offset: number;
  length: number;
  /** Where it begins within the range. */
  start: number;
}

export function cutAtIndexes(position: number, length: number, chunkBytes: number, pieceBytes: number): IndexedRange[] {
  const ranges: IndexedRange[] = [];
  for (let start = 0; start < length; ) {
    const at = position + start;
    const offset = at % chunkBytes;
    const room = Math.min(chunkBytes - offset, pieceBytes - (offset % pieceBytes));
    const piece = Math.min(room, length - start);
    ranges.push({ index: Math.floor(at / chunkBytes), offset, length: piece, start });
    start += piece;
  }
  return ranges;
}
