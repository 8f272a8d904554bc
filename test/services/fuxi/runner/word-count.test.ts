import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attemptPath, type Program, type TaskInput, type TaskOutput } from '../../../../services/fuxi/contract.ts';
import { planSplits } from '../../../../services/fuxi/core/splits.ts';
import { awkwardTexts, referenceCounts, sortedLines } from '../../../helpers/word-count.ts';
import { type NodeUnderTest, okay, startNodeUnderTest } from './node-under-test.ts';

const CHUNK_BYTES = 64 * 1024;
const REDUCES = 3;

let node: NodeUnderTest;
let local: string;
let reference: string[];
let splits: ReturnType<typeof planSplits>['splits'];

/** Texts of every awkward kind, in files of several chunks, cut into ranges that have nothing to do with their lines. */
beforeAll(async () => {
  node = await startNodeUnderTest();
  local = await mkdtemp(join(tmpdir(), 'feitian-test-words-'));
  await mkdir(join(local, 'texts'));
  await node.pangu.mkdir('/texts');
  const texts = awkwardTexts(20240607, 150_000, 2 * CHUNK_BYTES);
  for (const [name, bytes] of texts) {
    await writeFile(join(local, 'texts', name), bytes);
    await node.pangu.writeFile(`/texts/${name}`, bytes, { chunkBytes: CHUNK_BYTES });
  }
  reference = await referenceCounts([...texts.keys()].map((name) => join(local, 'texts', name)));
  const files = (await node.pangu.glob('/texts/*')).map(({ path, size }) => ({ path, size, splitBytes: 50_000, chunks: [] }));
  ({ splits } = planSplits(files, 'auto'));
});
afterAll(async () => {
  await node?.stop();
  if (local) await rm(local, { recursive: true });
});

async function wordCount(map: Program, reduce: Program, memoryMiB = 256) {
  const job = await node.job();
  const maps = splits.instances.length;
  const input: TaskInput = { kind: 'files', splits: await job.splits(splits), format: { kind: 'lines' } };
  const shuffled: TaskOutput = { kind: 'shuffle', directory: await job.directory('map'), partitions: REDUCES };
  const instances = Array.from({ length: maps }, (_, instance) => ({ instance, attempt: instance === 1 ? 2 : 1 }));
  const mapped = okay(await job.run({ task: 'map', program: map, input, output: shuffled, instances, memoryMiB }));

  const winners = { instances: maps, first: 1, exceptions: { 1: 2 } };
  const from: TaskInput = { kind: 'shuffle', from: [{ task: 'map', directory: shuffled.directory, winners }] };
  const written: TaskOutput = { kind: 'files', directory: await job.directory('reduce') };
  const parts = Array.from({ length: REDUCES }, (_, instance) => instance);
  const reduced = okay(await job.run({ task: 'reduce', program: reduce, input: from, output: written, instances: parts, memoryMiB }));
  const files = await Promise.all(parts.map((part) => node.pangu.readFile(attemptPath(written.directory, part, 1))));
  return { lines: sortedLines(files), files, mapped, reduced };
}

const sum = <T>(items: T[], of: (item: T) => number): number => items.reduce((total, item) => total + of(item), 0);

describe('the word count', { timeout: 60_000 }, () => {
  test('as modules gives what tr, sort and uniq give', async () => {
    const { lines, mapped, reduced, files } = await wordCount({ module: 'wordcount.ts#map' }, { module: 'wordcount.ts#reduce' });
    expect(lines).toEqual(reference);
    expect(sum(mapped, ({ bytesIn }) => bytesIn)).toBe(sum(await node.pangu.glob('/texts/*'), ({ size }) => size));
    expect(sum(mapped, ({ recordsOut }) => recordsOut)).toBe(sum(reduced, ({ recordsIn }) => recordsIn));
    expect(sum(reduced, ({ recordsOut }) => recordsOut)).toBe(reference.length);
    // Each part is in the order of its keys' bytes.
    for (const file of files) {
      const keys = file
        .toString('latin1')
        .trimEnd()
        .split('\n')
        .map((line) => line.split('\t')[0]!);
      expect(keys).toEqual([...keys].sort((a, b) => (a < b ? -1 : 1)));
    }
  });

  test('as commands gives the same', async () => {
    const { lines } = await wordCount({ command: ['awk', '-f', 'map.awk'] }, { command: ['awk', '-f', 'reduce.awk'] });
    expect(lines).toEqual(reference);
  });

  test('mixes modules and commands', async () => {
    const { lines } = await wordCount({ module: 'wordcount.ts#map' }, { command: ['awk', '-f', 'reduce.awk'] });
    expect(lines).toEqual(reference);
    const { lines: other } = await wordCount({ command: ['awk', '-f', 'map.awk'] }, { module: 'wordcount.ts#reduce' });
    expect(other).toEqual(reference);
  });

  test('in other words: one record a word, a combining function, text instead of ranges, promises', async () => {
    await node.pangu.writeFile(
      '/simple.ts',
      `import type { MapProgram, ReduceProgram } from 'feitian/sdk';
       const words = (record: { bytes(): Buffer }) => record.bytes().toString('latin1').split(/[ \\t\\n\\v\\f\\r]+/).filter(Boolean);
       export const plain: MapProgram = { map(record, emit) { for (const word of words(record)) emit(Buffer.from(word, 'latin1'), 1); } };
       export const combined: MapProgram = { ...plain, combine: (key, values) => values.sum() };
       export const slow: ReduceProgram = {
         async reduce(word, counts, emit) {
           let sum = 0;
           for (const count of counts) sum += Number(count);
           await null;
           emit(word, String(sum));
         },
       };`,
    );
    const module = (name: string): Program => ({ module: `pangu://test/simple.ts#${name}` });
    const plain = await wordCount(module('plain'), module('slow'));
    expect(plain.lines).toEqual(reference);
    const combined = await wordCount(module('combined'), module('slow'));
    expect(combined.lines).toEqual(reference);
    expect(sum(combined.mapped, ({ recordsOut }) => recordsOut)).toBeLessThan(sum(plain.mapped, ({ recordsOut }) => recordsOut) / 2);
  });

  test('in very little memory spills to disk and gives the same', async () => {
    // A quarter of this is less than one record's share, so that memory is full again and again.
    const tiny = 0.02;
    const { lines } = await wordCount({ module: 'wordcount.ts#map' }, { module: 'wordcount.ts#reduce' }, tiny);
    expect(lines).toEqual(reference);
    const commands = await wordCount({ command: ['awk', '-f', 'map.awk'] }, { module: 'wordcount.ts#reduce' }, tiny);
    expect(commands.lines).toEqual(reference);
  });
});
