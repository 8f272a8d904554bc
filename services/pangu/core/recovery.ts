import type { ChunkState } from './states.ts';

/**
 * How a file ends whose writer is gone. Its chunks have stopped growing by now, on every replica that answered; what is left to say is which of them make up
 * the file, how long each is, and which replicas count.
 *
 * Known of the writer: all that it was told is safe (`sync`, `flush`) was recorded by a master before, so no replica of a recorded chunk that is shorter than
 * the record counts. It never sends other bytes for the same place of the file, so where replicas differ the shorter is the beginning of the longer. And
 * every acknowledged byte of a chunk is on all of its replicas but those it had lost: the shortest of the others is long enough.
 *
 * What it was not told yet is kept as far as it follows without a gap, as a file system keeps what a killed program had written.
 */
export interface FoundChunk {
  readonly chunk: string;
  /** Where it begins in the file. */
  readonly offset: number;
  readonly state: ChunkState;
  /** As it was recorded: what is acknowledged at least. */
  readonly length: number;
  /** Of an open chunk: how many bytes the replicas hold that answered. */
  readonly replicas: readonly { readonly node: string; readonly length: number }[];
}

export interface RecoveredChunk {
  readonly chunk: string;
  readonly offset: number;
  readonly length: number;
  /** Replicas that have so much; undefined for a chunk that was sealed before: those that it had. */
  readonly nodes: readonly string[] | undefined;
}

/** `missing`: bytes that were acknowledged are on no replica that answered. */
export type Recovery = { kind: 'ends'; keep: RecoveredChunk[]; drop: string[] } | { kind: 'missing'; chunk: string };

/** `chunks` by offset. */
export function planRecovery(chunks: readonly FoundChunk[]): Recovery {
  const keep: RecoveredChunk[] = [];
  let end = 0;
  for (const { offset, chunk, state, length, replicas } of chunks) {
    if (keep.at(-1)?.offset === offset) continue;
    const rivals = chunks.filter((other) => other.offset === offset);
    if (state === 'sealed') {
      if (offset !== end) return { kind: 'missing', chunk };
      keep.push({ chunk, offset, length, nodes: undefined });
      end = offset + length;
      continue;
    }
    // Of several attempts at the same place the one that was recorded counts; else the longest, since all hold the same.
    if (length === 0 && rivals.some((other) => other.state === 'sealed' || other.length > 0 || longest(other) > longest({ replicas })))
      continue;
    const follower = chunks.find((later) => later.offset > offset && (later.state === 'sealed' || longest(later) > 0));
    // What begins in the middle of this one's range was given for what this one could not take.
    const roomBytes = follower ? follower.offset - offset : Number.POSITIVE_INFINITY;
    const atLeast = (bytes: number) => replicas.filter((replica) => replica.length > 0 && replica.length >= bytes);
    const whole = follower ? atLeast(Math.max(length, roomBytes)) : [];
    const counted = whole.length > 0 ? whole : atLeast(length);
    if (counted.length === 0 || offset !== end) {
      if (length > 0) return { kind: 'missing', chunk };
      continue;
    }
    const shortest = Math.min(roomBytes, ...counted.map((replica) => replica.length));
    keep.push({ chunk, offset, length: shortest, nodes: counted.map(({ node }) => node) });
    end = offset + shortest;
  }
  const kept = new Set(keep.map(({ chunk }) => chunk));
  return { kind: 'ends', keep, drop: chunks.filter(({ chunk }) => !kept.has(chunk)).map(({ chunk }) => chunk) };
}

function longest({ replicas }: Pick<FoundChunk, 'replicas'>): number {
  return Math.max(0, ...replicas.map(({ length }) => length));
}
