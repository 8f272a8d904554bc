/** A part of a file's range that lies in one chunk. */
export interface ChunkRange<C> {
  chunk: C;
  /** Where it begins within the chunk. */
  offset: number;
  length: number;
}

/**
 * Cuts the file's range [position, position + length) where chunks end, and further at multiples of `pieceBytes` within them, so that each piece
 * is one read. What lies beyond the last chunk is left out. `chunks`: in order, without gaps, none empty.
 */
export function cutAtChunks<C extends { offset: number; length: number }>(
  chunks: readonly C[],
  position: number,
  length: number,
  pieceBytes: number,
): ChunkRange<C>[] {
  const ranges: ChunkRange<C>[] = [];
  const end = position + length;
  for (let i = findChunk(chunks, position); i < chunks.length && chunks[i]!.offset < end; i++) {
    const chunk = chunks[i]!;
    const to = Math.min(end - chunk.offset, chunk.length);
    for (let at = Math.max(0, position - chunk.offset); at < to; ) {
      const next = Math.min(to, (Math.floor(at / pieceBytes) + 1) * pieceBytes);
      ranges.push({ chunk, offset: at, length: next - at });
      at = next;
    }
  }
  return ranges;
}

/** Index of the first chunk that ends after `position`. */
function findChunk(chunks: readonly { offset: number; length: number }[], position: number): number {
  let low = 0;
  let high = chunks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (chunks[middle]!.offset + chunks[middle]!.length > position) high = middle;
    else low = middle + 1;
  }
  return low;
}
