import { join } from 'node:path';
import type { Entry } from '../core/raft/types.ts';
import { type FileSystem, nodeFiles } from './file-system.ts';
import { segmentFile } from './files.ts';
import { FrameFileReader } from './frame-file.ts';
import { SEGMENT_KIND } from './read-log.ts';
import { decodeRecords } from './record.ts';

/**
 * The entries that are in force in sealed segments, one by one, for whoever needs each of them once: a log may be as large as the tree, and
 * need not be in memory beside it.
 *
 * An entry voids those at its index and after it that stand before it in the log, so of no entry is it known that it is in force before the rest
 * was read. So all is read twice: first for the places where the log went back, of which there are few, then for the entries.
 */
export async function* readEntries(
  dir: string,
  segments: readonly number[],
  { afterIndex, throughIndex }: { afterIndex: number; throughIndex: number },
  files: FileSystem = nodeFiles,
): AsyncGenerator<Entry> {
  const steps = await stepsBack(files, dir, segments);
  let step = 0;
  let place = 0;
  let last = afterIndex;
  for await (const { entry, where } of writtenEntries(files, dir, segments)) {
    if (last === throughIndex) return;
    while (step < steps.length && steps[step]!.place <= place) step++;
    place++;
    const voided = step < steps.length && steps[step]!.indexMin <= entry.index;
    if (voided || entry.index <= afterIndex) continue;
    if (entry.index !== last + 1) throw where.damage(`entry ${entry.index} follows ${last}`);
    last = entry.index;
    yield entry;
  }
}

/** Where an entry was written that is not above the one before it, and the lowest index of those from there on: what stands before is void from it up. */
async function stepsBack(files: FileSystem, dir: string, segments: readonly number[]): Promise<{ place: number; indexMin: number }[]> {
  const steps: { place: number; indexMin: number }[] = [];
  let place = 0;
  let last = 0;
  for await (const { entry } of writtenEntries(files, dir, segments)) {
    if (entry.index <= last) steps.push({ place, indexMin: entry.index });
    last = entry.index;
    place++;
  }
  for (let i = steps.length - 2; i >= 0; i--) steps[i]!.indexMin = Math.min(steps[i]!.indexMin, steps[i + 1]!.indexMin);
  return steps;
}

/** All that were ever written, in their order. */
async function* writtenEntries(
  files: FileSystem,
  dir: string,
  segments: readonly number[],
): AsyncGenerator<{ entry: Entry; where: FrameFileReader }> {
  for (const segment of segments) {
    const reader = await FrameFileReader.open(files, join(dir, segmentFile(segment)), SEGMENT_KIND, { zerosEnd: true });
    try {
      for (let payload = await reader.next(); payload; payload = await reader.next()) {
        for (const { entry } of decodeRecords(payload)) if (entry) yield { entry, where: reader };
      }
    } finally {
      await reader.close();
    }
  }
}
