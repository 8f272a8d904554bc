/**
 * Splits: which bytes of which files each instance reads. A file is cut into ranges of about one chunk, so that a range can be
 * read from a disk of its own node; small files share an instance up to that length. With a fixed number of instances the ranges
 * are dealt out in file order so that every instance gets about as many bytes.
 * Where a record begins in one range and ends in another is the reader's affair (see records.ts).
 */
import type { SplitsFile } from '../contract.ts';

export interface InputFile {
  path: string;
  size: number;
  /** Length of one split of this file. */
  splitBytes: number;
  /** Replica locations of its chunks, by offset. */
  chunks: { offset: number; length: number; nodes: string[] }[];
}

export interface PlannedSplits {
  splits: SplitsFile;
  /** Bytes of each instance. */
  bytes: number[];
  /** For each instance, nodes that hold most of its bytes, as indexes into `nodes`. */
  preferred: number[][];
  nodes: string[];
}

/** More ranges than that would fill the planner's memory, and a file that describes them. */
export const RANGES_MAX = 1_000_000;

/**
 * How many instances there will be at the least and how many ranges at the most, told without making them: a document may well ask for splits of
 * one byte.
 */
export function sizeOfSplits(files: readonly InputFile[], instances: number | 'auto'): { instancesMin: number; rangesMax: number } {
  const lengthOf = splitLength(files, instances);
  const ranges = (round: (ratio: number) => number): number => files.reduce((sum, file) => sum + round(file.size / lengthOf(file)), 0);
  return { instancesMin: instances === 'auto' ? ranges(Math.floor) : instances, rangesMax: ranges(Math.ceil) };
}

type Range = [file: number, offset: number, length: number];

export function planSplits(files: readonly InputFile[], instances: number | 'auto'): PlannedSplits {
  const lengthOf = splitLength(files, instances);
  const ranges = files.flatMap((file, index) => cut(file, index, lengthOf(file)));
  const packed = instances === 'auto' ? pack(ranges, files) : deal(ranges, instances);
  const nodes = [...new Set(files.flatMap((file) => file.chunks.flatMap((chunk) => chunk.nodes)))].sort();
  const nodeIndex = new Map(nodes.map((node, index) => [node, index]));
  return {
    splits: { files: files.map((file) => file.path), instances: packed },
    bytes: packed.map((ranges) => ranges.reduce((sum, [, , length]) => sum + length, 0)),
    preferred: packed.map((ranges) => nearest(ranges, files).map((node) => nodeIndex.get(node)!)),
    nodes,
  };
}

/** With a fixed number of instances a range may not be longer than an instance's even share. */
function splitLength(files: readonly InputFile[], instances: number | 'auto'): (file: InputFile) => number {
  if (instances === 'auto') return (file) => file.splitBytes;
  const even = Math.ceil(files.reduce((sum, file) => sum + file.size, 0) / instances);
  return (file) => Math.max(1, Math.min(file.splitBytes, even));
}

function cut(file: InputFile, index: number, splitBytes: number): Range[] {
  const ranges: Range[] = [];
  for (let offset = 0; offset < file.size; offset += splitBytes) ranges.push([index, offset, Math.min(splitBytes, file.size - offset)]);
  return ranges;
}

function pack(ranges: Range[], files: readonly InputFile[]): Range[][] {
  const packed: Range[][] = [];
  let current: Range[] = [];
  let bytes = 0;
  for (const range of ranges) {
    const [file, , length] = range;
    if (current.length > 0 && bytes + length > files[file]!.splitBytes) {
      packed.push(current);
      current = [];
      bytes = 0;
    }
    current.push(range);
    bytes += length;
  }
  if (current.length > 0 || packed.length === 0) packed.push(current);
  return packed;
}

/** The i-th instance gets the ranges that begin in the i-th even part of all bytes. */
function deal(ranges: Range[], instances: number): Range[][] {
  const total = ranges.reduce((sum, [, , length]) => sum + length, 0);
  const dealt: Range[][] = Array.from({ length: instances }, () => []);
  let before = 0;
  for (const range of ranges) {
    const share = total === 0 ? 0 : Math.min(instances - 1, Math.floor((before * instances) / total));
    dealt[share]!.push(range);
    before += range[2];
  }
  return dealt;
}

/** At most three nodes, those with the most bytes of the ranges first. */
function nearest(ranges: readonly Range[], files: readonly InputFile[]): string[] {
  const bytesByNode = new Map<string, number>();
  for (const [file, offset, length] of ranges) {
    for (const chunk of files[file]!.chunks) {
      const overlap = Math.min(offset + length, chunk.offset + chunk.length) - Math.max(offset, chunk.offset);
      if (overlap <= 0) continue;
      for (const node of chunk.nodes) bytesByNode.set(node, (bytesByNode.get(node) ?? 0) + overlap);
    }
  }
  return [...bytesByNode]
    .sort(([nodeA, bytesA], [nodeB, bytesB]) => bytesB - bytesA || (nodeA < nodeB ? -1 : 1))
    .slice(0, 3)
    .map(([node]) => node);
}
