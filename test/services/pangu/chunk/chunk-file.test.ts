import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '../../../../services/base/random.ts';
import { ChunkFile, type Finish } from '../../../../services/pangu/chunk/chunk-file.ts';
import { BLOCK_BYTES } from '../../../../services/pangu/contract.ts';
import { crcsOf } from '../../../../services/pangu/core/blocks.ts';
import { dataOffset } from '../../../../services/pangu/core/chunk-format.ts';
import { crc } from '../../../../services/pangu/crc.ts';

const CAPACITY = 16 * BLOCK_BYTES;
const CHUNK = 'c-test';
const noDirectory = async (): Promise<void> => {};

let directory: string;
let path: string;
let open: ChunkFile[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'feitian-test-chunk-'));
  path = join(directory, CHUNK);
});
afterEach(async () => {
  for (const file of open) await file.close();
  open = [];
  await rm(directory, { recursive: true });
});

async function create(): Promise<ChunkFile> {
  const file = await ChunkFile.create(path, CHUNK, CAPACITY, noDirectory);
  open.push(file!);
  return file!;
}

async function reopen(at = path): Promise<ChunkFile> {
  const file = await ChunkFile.open(at, CHUNK, noDirectory);
  open.push(file);
  return file;
}

function append(file: ChunkFile, offset: number, bytes: Uint8Array, finish: Finish = 'none', durable = true): Promise<void> {
  return file.append(offset, bytes, crcsOf(bytes, offset, crc), finish, durable);
}

async function contentOf(file: ChunkFile): Promise<Buffer> {
  return (await file.read(0, file.length)).bytes;
}

const withCode = (code: string) => expect.objectContaining({ code });

describe('a chunk file', () => {
  it('gives back any range of what was appended, and the right checksums with it', async () => {
    const random = seededRandom(1);
    const file = await create();
    const bytes = randomBytes(CAPACITY - 777);
    for (let at = 0; at < bytes.length; ) {
      const length = Math.min(random.int(200_000), bytes.length - at);
      await append(file, at, bytes.subarray(at, at + length));
      at += length;
    }
    for (const state of ['open', 'sealed', 'reopened']) {
      if (state === 'sealed') await append(file, bytes.length, Buffer.alloc(0), 'seal');
      const from = state === 'reopened' ? await reopen() : file;
      for (let i = 0; i < 40; i++) {
        const offset = random.int(bytes.length);
        const length = random.int(Math.min(300_000, bytes.length - offset));
        const { bytes: read, crcs } = await from.read(offset, length);
        expect(read.equals(bytes.subarray(offset, offset + length))).toBe(true);
        expect(crcs).toEqual(crcsOf(read, offset, crc));
      }
    }
  });

  it('refuses a gap, a range beyond the end, bytes damaged on the way and more than its capacity', async () => {
    const file = await create();
    await append(file, 0, Buffer.from('abc'));
    const x = Buffer.from('x');
    await expect(file.append(5, x, [crc(x)], 'none', true, { signal: AbortSignal.timeout(10) })).rejects.toEqual(withCode('BadRange'));
    await expect(file.read(2, 2)).rejects.toEqual(withCode('BadRange'));
    await expect(file.append(3, Buffer.from('x'), [1], 'none', true)).rejects.toEqual(withCode('BadChecksum'));
    await expect(file.append(3, Buffer.from('x'), [], 'none', true)).rejects.toEqual(withCode('BadChecksum'));
    await expect(append(file, 3, Buffer.alloc(CAPACITY))).rejects.toEqual(withCode('BadRange'));
    expect((await contentOf(file)).toString()).toBe('abc');
  });

  it('puts appends that overtook each other in order', async () => {
    const file = await create();
    const bytes = randomBytes(5 * BLOCK_BYTES + 5);
    const cuts = [0, 70_000, 70_001, 200_000, bytes.length];
    const pieces = cuts.slice(1).map((end, i) => ({
      at: cuts[i]!,
      bytes: bytes.subarray(cuts[i], end),
      finish: end === bytes.length ? ('seal' as const) : ('none' as const),
    }));
    await Promise.all(pieces.reverse().map((piece) => append(file, piece.at, piece.bytes, piece.finish)));
    expect(file.sealed).toBe(true);
    expect((await contentOf(file)).equals(bytes)).toBe(true);
  });

  it('takes the same bytes at the same place twice, and no others', async () => {
    const file = await create();
    await append(file, 0, Buffer.from('abcdef'));
    await append(file, 6, Buffer.from('ghi'), 'seal');
    await append(file, 6, Buffer.from('ghi'), 'seal');
    await append(file, 0, Buffer.from('abc'));
    await expect(append(file, 0, Buffer.from('abX'))).rejects.toEqual(withCode('BadRange'));
    await expect(append(file, 6, Buffer.from('ghij'))).rejects.toEqual(withCode('BadRange'));
    await expect(append(file, 9, Buffer.from('j'))).rejects.toEqual(withCode('Sealed'));
    expect((await contentOf(file)).toString()).toBe('abcdefghi');
  });

  it.each([0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES - 5])(
    'can be sealed at %i, before its end',
    async (length) => {
      const file = await create();
      const bytes = randomBytes(3 * BLOCK_BYTES);
      await append(file, 0, bytes.subarray(0, 100_000), 'sync');
      await append(file, 100_000, bytes.subarray(100_000));
      await file.seal(length, true);
      await file.seal(length, true);
      for (const each of [file, await reopen()]) {
        expect([each.length, each.sealed]).toEqual([length, true]);
        expect((await contentOf(each)).equals(bytes.subarray(0, length))).toBe(true);
      }
      await expect(file.seal(length + 1, true)).rejects.toEqual(withCode('BadRange'));
      await expect(append(file, length, Buffer.from('x'))).rejects.toEqual(withCode('Sealed'));
    },
  );

  it('refuses an early append at once when the chunk is sealed before the gap closes', async () => {
    const file = await create();
    await append(file, 0, Buffer.from('abc'));
    const early = append(file, 10, Buffer.from('x'));
    await Promise.all([expect(early).rejects.toEqual(withCode('Sealed')), file.seal(3, true)]);
  });

  it('is not there when its file is not, and not itself when the file is of another chunk', async () => {
    await expect(ChunkFile.open(path, CHUNK, noDirectory)).rejects.toEqual(withCode('NoChunk'));
    await append(await create(), 0, Buffer.from('abc'), 'seal');
    await expect(ChunkFile.open(path, 'c-other', noDirectory)).rejects.toEqual(withCode('BadChecksum'));
  });

  it('never returns a wrong byte, whatever byte of its file is changed', async () => {
    const random = seededRandom(7);
    const bytes = randomBytes(5 * BLOCK_BYTES + 1234);
    const file = await create();
    await append(file, 0, bytes.subarray(0, 90_000), 'sync');
    await append(file, 90_000, bytes.subarray(90_000), 'seal');
    const image = await readFile(path);
    const damagedPath = join(directory, 'damaged');
    let noticed = 0;
    for (let i = 0; i < 80; i++) {
      const damaged = Buffer.from(image);
      // Half of the time in the region before the data, where every byte has a meaning of its own.
      const at = i % 2 === 0 ? random.int(dataOffset(CAPACITY)) : random.int(damaged.length);
      const length = 1 + random.int(3);
      for (let j = at; j < Math.min(at + length, damaged.length); j++) damaged[j]! ^= 1 + random.int(255);
      if (random.int(10) === 0) await writeFile(damagedPath, damaged.subarray(0, at));
      else await writeFile(damagedPath, damaged);
      noticed += (await readsOnlyRightBytes(damagedPath, bytes)) ? 0 : 1;
    }
    expect(noticed).toBeGreaterThan(30);
  });
});

/** Reads block by block; each is right or refused. Returns whether all of it could be read. */
async function readsOnlyRightBytes(at: string, bytes: Buffer): Promise<boolean> {
  let complete = true;
  let file: ChunkFile;
  try {
    file = await ChunkFile.open(at, CHUNK, noDirectory);
  } catch (error) {
    expect(error).toEqual(withCode('BadChecksum'));
    return false;
  }
  try {
    for (let offset = 0; offset < bytes.length; offset += BLOCK_BYTES) {
      const length = Math.min(BLOCK_BYTES, bytes.length - offset);
      try {
        const { bytes: read } = await file.read(offset, length);
        expect(read.equals(bytes.subarray(offset, offset + length))).toBe(true);
      } catch (error) {
        expect(['BadChecksum', 'BadRange']).toContain((error as { code: string }).code);
        complete = false;
      }
    }
  } finally {
    await file.close();
  }
  return complete;
}

/**
 * What a disk may hold after a loss of power: of the sectors written since the last sync, any subset; the rest as it was.
 * A file may be as long as it was, or as it is, or anything between.
 */
function afterPowerLoss(synced: Buffer, now: Buffer, random: Random): Buffer {
  const length = Math.max(synced.length, synced.length + random.int(Math.max(1, now.length - synced.length + 1)));
  const image = Buffer.alloc(length);
  const share = random.next();
  for (let at = 0; at < length; at += 512) (random.next() < share ? now : synced).subarray(at, at + 512).copy(image, at);
  return image;
}

describe('a chunk file after a loss of power', () => {
  it.each(Array.from({ length: 6 }, (_, seed) => seed))(
    'has all that was synced and nothing that was not written (seed %i)',
    async (seed) => {
      const random = seededRandom(seed);
      const bytes = randomBytes(CAPACITY);
      const file = await create();
      let at = 0;
      let synced = { length: 0, image: Buffer.alloc(0) };
      const crashPath = join(directory, 'crashed');
      for (let step = 0; step < 10 && at < CAPACITY; step++) {
        const length = Math.min(1 + random.int(90_000), CAPACITY - at);
        // A sync that is not durable leaves what a sync leaves behind when power fails before it returns.
        const kind = random.int(3);
        await append(file, at, bytes.subarray(at, at + length), kind === 0 ? 'none' : 'sync', kind === 2);
        at += length;
        const now = await readFile(path);
        if (kind === 2) synced = { length: at, image: now };
        for (let i = 0; i < 2 && synced.length > 0; i++) {
          await writeFile(crashPath, afterPowerLoss(synced.image, now, random));
          const recovered = await reopen(crashPath);
          expect(recovered.sealed).toBe(false);
          expect(recovered.length).toBeGreaterThanOrEqual(synced.length);
          expect(recovered.length).toBeLessThanOrEqual(at);
          expect((await contentOf(recovered)).equals(bytes.subarray(0, recovered.length))).toBe(true);
          // It goes on from there with other bytes, to about where it was, through a second crash.
          const from = recovered.length;
          const more = randomBytes(Math.min(at + random.int(2), CAPACITY) - from);
          const whole = Buffer.concat([bytes.subarray(0, from), more]);
          const before = await readFile(crashPath);
          await append(recovered, from, more, 'sync', random.int(2) === 0);
          await writeFile(`${crashPath}-again`, afterPowerLoss(before, await readFile(crashPath), random));
          const again = await reopen(`${crashPath}-again`);
          expect(again.length).toBeGreaterThanOrEqual(from);
          expect((await contentOf(again)).equals(whole.subarray(0, again.length))).toBe(true);
          // Without a second crash all of it is there.
          const after = await reopen(crashPath);
          expect((await contentOf(after)).equals(whole)).toBe(true);
        }
      }
      // Power fails once more while the chunk is sealed: what was synced can be read all the same.
      const last = Math.min(at + 30_000, CAPACITY);
      await append(file, at, bytes.subarray(at, last), 'seal', false);
      for (let i = 0; i < 8; i++) {
        await writeFile(crashPath, afterPowerLoss(synced.image, await readFile(path), random));
        if (synced.length === 0) continue;
        const recovered = await reopen(crashPath);
        expect(recovered.length).toBeGreaterThanOrEqual(synced.length);
        expect((await recovered.read(0, synced.length)).bytes.equals(bytes.subarray(0, synced.length))).toBe(true);
        if (recovered.sealed) expect((await contentOf(recovered)).equals(bytes.subarray(0, last))).toBe(true);
      }
    },
  );
});
