import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../services/base/random.ts';
import { ChunkFile } from '../../../../../services/pangu/chunk/chunk-file.ts';
import { LogChunk } from '../../../../../services/pangu/chunk/log/log-chunk.ts';
import { BLOCK_BYTES } from '../../../../../services/pangu/contract.ts';
import { dataOffset } from '../../../../../services/pangu/core/chunk-format.ts';
import { marksOf } from '../../../../../services/pangu/core/log-frame.ts';

const CAPACITY = BLOCK_BYTES * 4;
let directory: string;
let made = 0;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'feitian-test-log-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const noSync = async (): Promise<void> => {};

/** A chunk with so many batches of one to three calls, and where each ended. */
async function grow(
  seed: number,
  batches: number,
): Promise<{ path: string; chunk: string; file: ChunkFile; bytes: Buffer; ends: number[] }> {
  const random = seededRandom(seed);
  const chunk = `c-${made++}`;
  const path = join(directory, chunk);
  const file = (await ChunkFile.create(path, chunk, CAPACITY, noSync))!;
  const log = new LogChunk(file);
  const written: Buffer[] = [];
  const ends = [0];
  for (let i = 0; i < batches; i++) {
    const calls = Array.from({ length: 1 + random.int(3) }, (_, call) => ({
      writer: `w${call}`,
      sequence: i,
      length: 1 + random.int(2_000),
    }));
    const bytes = Buffer.alloc(
      calls.reduce((sum, { length }) => sum + length, 0),
      65 + (i % 26),
    );
    await log.append(ends.at(-1)!, bytes, calls);
    written.push(bytes);
    ends.push(ends.at(-1)! + bytes.length);
  }
  return { path, chunk, file, bytes: Buffer.concat(written), ends };
}

describe('a chunk of a log', () => {
  it('has all its batches after a crash, and grows no more in the next life', async () => {
    const { path, chunk, bytes, ends } = await grow(1, 60);
    const again = await ChunkFile.open(path, chunk, noSync);
    expect(again.length).toBe(ends.at(-1));
    expect((await again.read(0, again.length)).bytes.equals(bytes)).toBe(true);
    expect(() => new LogChunk(again)).toThrow(expect.objectContaining({ code: 'Sealed' }));
    await again.seal(ends[50], true);
    expect(marksOf(await again.log.read(), again.length)).toContainEqual({ writer: 'w0', sequence: 49, offset: ends[49] });
    // Asked again by another master, and after another crash.
    const third = await ChunkFile.open(path, chunk, noSync);
    expect([third.length, third.sealed]).toEqual([ends[50], true]);
    expect(marksOf(await third.log.read(), third.length)).toContainEqual({ writer: 'w0', sequence: 49, offset: ends[49] });
    await third.dropLog();
    expect(await third.log.isThere()).toBe(false);
    expect((await readFile(path)).length).toBe(dataOffset(CAPACITY) + ends[50]!);
    expect((await third.read(0, third.length)).bytes.equals(bytes.subarray(0, ends[50]))).toBe(true);
  });

  it('ends with a whole batch, whatever of the last ones did not reach the disk', async () => {
    const seed = Date.now() % 1_000_000;
    const random = seededRandom(seed);
    const { path, chunk, bytes, ends, file } = await grow(seed, 40);
    await file.close();
    const image = await readFile(path);
    for (let i = 0; i < 60; i++) {
      const torn = Buffer.from(image);
      // Some bytes of data or frames never came.
      const inData = random.int(2) === 0;
      const from = inData
        ? dataOffset(CAPACITY) + random.int(ends.at(-1)!)
        : dataOffset(CAPACITY) + CAPACITY + random.int(image.length - dataOffset(CAPACITY) - CAPACITY);
      torn.fill(0, from, Math.min(from + 1 + random.int(3_000), inData ? dataOffset(CAPACITY) + ends.at(-1)! : torn.length));
      await writeFile(path, torn);
      const opened = await ChunkFile.open(path, chunk, noSync);
      expect(ends, `seed ${seed}, ${i}`).toContain(opened.length);
      expect((await opened.read(0, opened.length)).bytes.equals(bytes.subarray(0, opened.length)), `seed ${seed}, ${i}`).toBe(true);
      if (inData) expect(opened.length, `seed ${seed}, ${i}`).toBe(ends.findLast((end) => end <= from - dataOffset(CAPACITY)));
    }
  });

  it('that is sealed while a batch is written has the batch with its marks, or neither', async () => {
    const outcomes = new Set<boolean>();
    for (let i = 0; i < 30; i++) {
      const { file, ends } = await grow(i, 0);
      const log = new LogChunk(file);
      await log.append(0, Buffer.from('first'), [{ writer: 'w', sequence: 1, length: 5 }]);
      const appended = log.append(5, Buffer.from('second'), [{ writer: 'w', sequence: 2, length: 6 }]).then(
        () => true,
        () => false,
      );
      if (i % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
      const sealed = i % 2 === 0 ? file.seal(undefined, true) : file.seal(5, true);
      await sealed;
      const mark = log.marks.get('w')!;
      expect(file.length).toBe(i % 2 === 0 ? 11 : 5);
      expect(mark.offset < file.length).toBe(file.length === 11);
      outcomes.add(await appended);
      expect(ends).toEqual([0]);
    }
    expect(outcomes).toContain(true);
  });

  it('takes nothing more once it is sealed', async () => {
    const { file } = await grow(4, 0);
    const log = new LogChunk(file);
    await log.append(0, Buffer.from('first'), [{ writer: 'w', sequence: 1, length: 5 }]);
    await file.seal(undefined, true);
    await expect(log.append(5, Buffer.from('late'), [{ writer: 'w', sequence: 2, length: 4 }])).rejects.toMatchObject({ code: 'Sealed' });
    expect(marksOf(await file.log.read(), file.length)).toEqual([{ writer: 'w', sequence: 1, offset: 0 }]);
  });
});
