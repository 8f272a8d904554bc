import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loseNodeInMidJob } from '../../infra/demo/lose-node.ts';
import { namedTexts, packageTexts, type Texts } from '../../infra/demo/texts.ts';
import { readCounts } from '../../infra/demo/top-words.ts';
import { WordTally } from '../../infra/demo/word-tally.ts';
import type { JobProgress } from '../../services/fuxi/contract.ts';
import type { PanguClient } from '../../services/pangu/contract.ts';
import { awkwardTexts } from '../helpers/word-count.ts';

const lengths = async (texts: Texts): Promise<Record<string, number>> => {
  const found: Record<string, number> = {};
  for await (const { name, pieces } of texts.files()) for await (const piece of pieces) found[name] = (found[name] ?? 0) + piece.length;
  return found;
};

describe('the texts of the demo', () => {
  let here: string;
  beforeEach(async () => {
    here = await mkdtemp(join(tmpdir(), 'feitian-test-texts-'));
  });
  afterEach(() => rm(here, { recursive: true }));

  test('are at least 100 MB, in files of about 16 MiB, also where few packages are installed', async () => {
    await mkdir(join(here, 'a/b'), { recursive: true });
    await writeFile(join(here, 'a/b/large.md'), Buffer.alloc(5_000_000, 'word '));
    await writeFile(join(here, 'a/small.ts'), 'const a = 1;');
    await writeFile(join(here, 'a/picture.png'), Buffer.alloc(50_000_000));
    const found = await lengths(await packageTexts(here));
    const bytes = Object.values(found).reduce((sum, length) => sum + length, 0);
    expect(bytes).toBeGreaterThanOrEqual(100e6);
    expect(bytes).toBeLessThan(130e6);
    expect(Object.keys(found)).toEqual(['text-00.txt', 'text-01.txt', 'text-02.txt', 'text-03.txt', 'text-04.txt']);
  });

  test('that were named are put as they are', async () => {
    await writeFile(join(here, 'one.txt'), 'one');
    await writeFile(join(here, 'empty.txt'), '');
    const texts = await namedTexts([join(here, 'one.txt'), join(here, 'one.txt'), join(here, 'empty.txt')]);
    expect(texts.bytes).toBe(6);
    expect(await lengths(texts)).toEqual({ '0000-one.txt': 3, '0001-one.txt': 3 });
  });

  test.each([
    ['no-such.txt', /no-such.txt is not there/],
    ['.', /is not a file/],
  ])('%s is refused', async (name, message) => {
    await expect(namedTexts([join(here, name)])).rejects.toThrow(message);
  });

  test.skipIf(process.getuid?.() === 0)('what may not be read is refused', async () => {
    await writeFile(join(here, 'secret.txt'), 'x');
    await chmod(join(here, 'secret.txt'), 0o000);
    await expect(namedTexts([join(here, 'secret.txt')])).rejects.toThrow(/cannot be read/);
  });
});

test('the tally counts words as the job does, wherever the pieces are cut', () => {
  const all = [...awkwardTexts(5, 20_000, 30_000).values()];
  const expected = all.reduce(
    (sum, text) =>
      sum +
      text
        .toString('latin1')
        .split(/[ \t\n\v\f\r]+/)
        .filter(Boolean).length,
    0,
  );
  for (const cut of [1, 7, 4096]) {
    const tally = new WordTally();
    for (const text of all) {
      for (let at = 0; at < text.length; at += cut) tally.add(text.subarray(at, at + cut));
      tally.endOfFile();
    }
    expect(tally.words).toBe(expected);
  }
});

describe('the answer of the demo', () => {
  const panguWith = (files: string[], cut: number): PanguClient =>
    ({
      async *readdir() {
        for (const [i, text] of files.entries()) yield { path: `/out/${i}`, size: text.length };
      },
      createReadStream: (path: string) => {
        const bytes = Buffer.from(files[Number(path.slice(5))]!);
        const pieces = Array.from({ length: Math.ceil(bytes.length / cut) }, (_, i) => bytes.subarray(i * cut, (i + 1) * cut));
        return Readable.from(pieces);
      },
    }) as unknown as PanguClient;

  test.each([1, 5, 1000])('is summed up and ordered, read in pieces of %d', async (cut) => {
    const counted = await readCounts(panguWith(['a\t3\n飞天\t10\n', '', 'b\t3\nc\t1\n'], cut), '/out', 3);
    expect(counted).toMatchObject({ words: 17, distinct: 4, files: 3 });
    expect(counted.top).toEqual([
      { word: '飞天', count: 10 },
      { word: 'a', count: 3 },
      { word: 'b', count: 3 },
    ]);
  });

  test('is refused when a line is no count', async () => {
    await expect(readCounts(panguWith(['a\tmany\n'], 10), '/out', 3)).rejects.toThrow(/no count/);
  });
});

describe('losing a node in mid-job', () => {
  const progressOf = (phase: string, done: number): JobProgress =>
    ({ phase, tasks: { map: { done, instances: 10 } } }) as unknown as JobProgress;
  const nodes = ['node-1', 'node-2', 'node-3'].map((id, i) => ({ id, containers: i === 1 ? 4 : 1 }));

  const loserOf = (held: string[]) =>
    loseNodeInMidJob({
      fuxiMaster: { nodes: async () => ({ nodes }) } as never,
      hold: async (node) => void held.push(node),
      onLost: () => {},
    });

  test('takes the busiest one, once, when half of the map is done', async () => {
    const held: string[] = [];
    const loser = loserOf(held);
    for (const done of [0, 4]) loser.onProgress(progressOf('running', done));
    expect(await loser.lost()).toBeUndefined();
    for (const done of [5, 6, 10]) loser.onProgress(progressOf('running', done));
    expect(await loser.lost()).toBe('node-2');
    expect(held).toEqual(['node-2']);
  });

  test('does nothing when the job is over', async () => {
    const held: string[] = [];
    const loser = loserOf(held);
    loser.onProgress(progressOf('done', 10));
    expect(await loser.lost()).toBeUndefined();
  });
});
