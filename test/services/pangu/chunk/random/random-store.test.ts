import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { type Random, seededRandom } from '../../../../../services/base/random.ts';
import { RandomStore } from '../../../../../services/pangu/chunk/random/random-store.ts';
import { randomDataOffset, regionBytes } from '../../../../../services/pangu/core/random-format.ts';
import { forgetUnsynced, losePower } from '../../../../helpers/torn-disk.ts';

vi.mock('../../../../../services/pangu/chunk/disk.ts', async (original) => {
  const { tearable } = await import('../../../../helpers/torn-disk.ts');
  return tearable(await original());
});

const CAPACITY = 256 * 1024;
const SEGMENT_BYTES = 96 * 1024;
const IN_FLIGHT_MAX = 4;
const WRITE_BYTES_MAX = 20_000;
const root = mkdtempSync(join(tmpdir(), 'feitian-test-random-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const withCode = (code: string) => expect.objectContaining({ code });
let directories = 0;
const newDirectory = (): string => join(root, String(++directories));
const open = (path: string): Promise<RandomStore> => RandomStore.open(path, { segmentBytes: SEGMENT_BYTES });

/** What chunks must hold, and what may have come of the operations under way. */
class Model {
  readonly bytes = new Map<string, Buffer>();
  readonly versions = new Map<string, number>();
  readonly underWay = new Set<{ chunk: string; from: number; to: number; after: Buffer }>();

  copy(): Model {
    const copy = new Model();
    for (const [chunk, bytes] of this.bytes) copy.bytes.set(chunk, Buffer.from(bytes));
    for (const [chunk, version] of this.versions) copy.versions.set(chunk, version);
    for (const each of this.underWay) copy.underWay.add(each);
    return copy;
  }

  overlaps(chunk: string, from: number, to: number): boolean {
    return [...this.underWay].some((each) => each.chunk === chunk && each.from < to && from < each.to);
  }

  /** Each write that was acknowledged is there, and of each under way each part within one block as before or as after. */
  check(chunk: string, found: Buffer): void {
    const expected = Buffer.from(this.bytes.get(chunk)!);
    for (const { chunk: own, from, to, after } of this.underWay) {
      if (own !== chunk) continue;
      for (let at = from; at < to; at = Math.min(to, (Math.floor(at / 4096) + 1) * 4096)) {
        const end = Math.min(to, (Math.floor(at / 4096) + 1) * 4096);
        if (found.subarray(at, end).equals(after.subarray(at - from, end - from))) after.copy(expected, at, at - from, end - from);
      }
    }
    if (found.equals(expected)) return;
    const at = found.findIndex((byte, i) => byte !== expected[i]);
    throw new Error(`chunk ${chunk} has other bytes at ${at} (block ${Math.floor(at / 4096)})`);
  }

  async checkStore(store: RandomStore): Promise<void> {
    for (const [chunk, version] of this.versions) {
      const found = (await store.sums(chunk)).version;
      expect(found).toBeGreaterThanOrEqual(version);
      this.check(chunk, await store.read(chunk, { version: found, offset: 0, length: CAPACITY }));
    }
  }
}

async function run(seed: number, crash: (directory: string, random: Random) => (model: Model) => Promise<void>): Promise<void> {
  const random = seededRandom(seed);
  const directory = newDirectory();
  let store = await open(directory);
  const model = new Model();
  for (const chunk of ['c-1', 'c-2']) {
    await store.make(chunk, CAPACITY, 1);
    model.bytes.set(chunk, Buffer.alloc(CAPACITY));
    model.versions.set(chunk, 1);
  }
  const running = new Set<Promise<void>>();
  const start = (chunk: string, from: number, after: Buffer, work: () => Promise<unknown>): void => {
    const under = { chunk, from, to: from + after.length, after };
    model.underWay.add(under);
    const done = work().then(() => {
      after.copy(model.bytes.get(chunk)!, from);
      model.underWay.delete(under);
      running.delete(done);
    });
    running.add(done);
  };
  for (let step = 0; step < 100; step++) {
    const chunk = random.next() < 0.7 ? 'c-1' : 'c-2';
    const version = model.versions.get(chunk)!;
    const dice = random.next();
    if (dice < 0.75) {
      const length = 1 + random.int(random.next() < 0.5 ? 5_000 : WRITE_BYTES_MAX);
      let offset = random.int(CAPACITY - length);
      if (random.next() < 0.3) offset -= offset % 4096;
      if (model.overlaps(chunk, offset, offset + length)) continue;
      const bytes = random.next() < 0.1 ? Buffer.alloc(length) : Buffer.alloc(length, Buffer.from(String(random.next())));
      start(chunk, offset, bytes, () => store.write(chunk, { version, offset, bytes, durable: true }));
    } else if (dice < 0.8) {
      await Promise.all(running);
      const length = random.int(CAPACITY);
      start(chunk, length, Buffer.alloc(CAPACITY - length), () => store.cut(chunk, { version, length, durable: true }));
      if (random.next() < 0.5) await Promise.all(running);
    } else if (dice < 0.84) {
      await Promise.all(running);
      await store.setVersion(chunk, version + 1);
      model.versions.set(chunk, version + 1);
    } else if (dice < 0.86) {
      await Promise.all(running);
      await store.close();
      store = await open(directory);
    } else if (dice < 0.96) {
      // What is acknowledged while it reads may be seen or not.
      const before = model.copy();
      before.check(chunk, await store.read(chunk, { version, offset: 0, length: CAPACITY }));
    } else {
      const judge = crash(directory, random);
      await judge(model.copy());
    }
    while (running.size >= IN_FLIGHT_MAX) await Promise.race(running);
  }
  await Promise.all(running);
  await model.checkStore(store);
  await store.close();
  const judge = crash(directory, random);
  await judge(model);
  forgetUnsynced(directory);
}

/** A copy of the directory as it is in this moment: what is left when the process is killed. */
function snapshot(directory: string): string {
  const copy = newDirectory();
  cpSync(directory, copy, { recursive: true });
  return copy;
}

const reopened = (copy: string) => async (model: Model) => {
  const store = await open(copy);
  await model.checkStore(store);
  await store.close();
  const again = await open(copy);
  await model.checkStore(again);
  await again.close();
  forgetUnsynced(copy);
  rmSync(copy, { recursive: true, force: true });
};

const SEEDS = process.env.FEITIAN_SEED
  ? [Number(process.env.FEITIAN_SEED)]
  : Array.from({ length: 2 }, () => Math.floor(Math.random() * 1e9));

describe('a store of chunks that are written anywhere', () => {
  it.each(SEEDS)('has every acknowledged write after the process was killed (seed %i)', async (seed) => {
    await run(seed, (directory) => reopened(snapshot(directory)));
  });

  it.each(SEEDS)('has every acknowledged write after a loss of power tore what was on its way (seed %i)', async (seed) => {
    await run(seed, (directory, random) => {
      const copy = snapshot(directory);
      losePower(
        directory,
        (path) => path.replace(directory, copy),
        () => random.next(),
      );
      return reopened(copy);
    });
  });

  it('keeps what was written without a sync when the process is killed', async () => {
    const directory = newDirectory();
    const store = await open(directory);
    await store.make('c-1', CAPACITY, 1);
    await store.write('c-1', { version: 1, offset: 5_000, bytes: Buffer.from('kept'), durable: false });
    const copy = await open(snapshot(directory));
    expect((await copy.read('c-1', { version: 1, offset: 5_000, length: 4 })).toString()).toBe('kept');
    await Promise.all([store.close(), copy.close()]);
  });

  it('answers neither reads nor writes of another version', async () => {
    const directory = newDirectory();
    const store = await open(directory);
    await store.make('c-1', CAPACITY, 1);
    await store.setVersion('c-1', 3);
    await expect(store.write('c-1', { version: 1, offset: 0, bytes: Buffer.from('x'), durable: true })).rejects.toEqual(
      withCode('StaleVersion'),
    );
    await expect(store.read('c-1', { version: 4, offset: 0, length: 1 })).rejects.toMatchObject({
      code: 'StaleVersion',
      details: { version: 3 },
    });
    await expect(store.setVersion('c-1', 2)).rejects.toEqual(withCode('StaleVersion'));
    const copy = await open(snapshot(directory));
    expect((await copy.sums('c-1')).version).toBe(3);
    await Promise.all([store.close(), copy.close()]);
  });

  it('says the same of two chunks with the same bytes, however they came, and another thing when a byte differs', async () => {
    const store = await open(newDirectory());
    const digest = async (chunk: string): Promise<number> => (await store.sums(chunk)).digest;
    for (const chunk of ['c-1', 'c-2']) await store.make(chunk, CAPACITY, 1);
    await store.write('c-1', { version: 1, offset: 0, bytes: Buffer.alloc(10_000, 'ab'), durable: true });
    await store.write('c-2', { version: 1, offset: 0, bytes: Buffer.alloc(30_000, 'x'), durable: true });
    await store.write('c-2', { version: 1, offset: 0, bytes: Buffer.alloc(10_000, 'ab'), durable: true });
    expect(await digest('c-1')).not.toBe(await digest('c-2'));
    await store.cut('c-2', { version: 1, length: 10_000, durable: true });
    expect(await digest('c-1')).toBe(await digest('c-2'));
    await store.write('c-2', { version: 1, offset: 9_999, bytes: Buffer.from('a'), durable: true });
    expect(await digest('c-1')).not.toBe(await digest('c-2'));
    await store.close();
  });

  it('forgets a chunk that was deleted, also after it was killed', async () => {
    const directory = newDirectory();
    const store = await open(directory);
    await store.make('c-1', CAPACITY, 1);
    await store.write('c-1', { version: 1, offset: 0, bytes: Buffer.alloc(50_000, 'x'), durable: true });
    await store.delete('c-1');
    await expect(store.read('c-1', { version: 1, offset: 0, length: 1 })).rejects.toEqual(withCode('NoChunk'));
    const copy = await open(snapshot(directory));
    expect(await copy.list()).toEqual([]);
    await Promise.all([store.close(), copy.close()]);
  });

  it('says of a flipped bit that the block is damaged, and mends it when all of it is written', async () => {
    const directory = newDirectory();
    const store = await open(directory);
    await store.make('c-1', CAPACITY, 1);
    await store.write('c-1', { version: 1, offset: 0, bytes: Buffer.alloc(3 * 4096, 'x'), durable: true });
    await store.close();
    flip(join(directory, 'chunks', 'c-1'), randomDataOffset(CAPACITY) + 5_000);
    const again = await open(directory);
    expect((await again.read('c-1', { version: 1, offset: 0, length: 4096 })).equals(Buffer.alloc(4096, 'x'))).toBe(true);
    await expect(again.read('c-1', { version: 1, offset: 0, length: 4097 })).rejects.toEqual(withCode('BadChecksum'));
    await expect(again.verify('c-1')).rejects.toEqual(withCode('BadChecksum'));
    await expect(again.write('c-1', { version: 1, offset: 4097, bytes: Buffer.from('y'), durable: true })).rejects.toEqual(
      withCode('BadChecksum'),
    );
    await again.write('c-1', { version: 1, offset: 4096, bytes: Buffer.alloc(4096, 'y'), durable: true });
    await again.verify('c-1');
    await again.close();
  });

  it.each([
    ['the state', 100],
    ['the table', 4096 + 3],
    ['the other state', regionBytes(CAPACITY) + 100],
  ])('notices a flipped bit in %s of a chunk', async (_, at) => {
    const directory = newDirectory();
    let store = await open(directory);
    await store.make('c-1', CAPACITY, 1);
    for (const bytes of ['x', 'y']) {
      await store.write('c-1', { version: 1, offset: 0, bytes: Buffer.alloc(4096, bytes), durable: true });
      await store.close();
      store = await open(directory);
    }
    await store.close();
    // Without the journal's help, which could make all of it anew.
    rmSync(join(directory, 'journal'), { recursive: true });
    mkdirSync(join(directory, 'journal'));
    writeFileSync(join(directory, 'journal', 'none'), '');
    flip(join(directory, 'chunks', 'c-1'), at);
    const again = await open(directory);
    await expect(again.read('c-1', { version: 1, offset: 0, length: 1 })).rejects.toEqual(withCode('BadChecksum'));
    await again.close();
  });

  it('answers nothing when records of its journal that had been on disk are damaged', async () => {
    const directory = newDirectory();
    const store = await open(directory);
    await store.make('c-1', CAPACITY, 1);
    for (let i = 0; i < 4; i++) await store.write('c-1', { version: 1, offset: i * 4096, bytes: Buffer.alloc(4096, 'x'), durable: true });
    const copy = snapshot(directory);
    await store.close();
    flip(join(copy, 'journal', '1'), 8192 + 512 + 512 + 9_000);
    const again = await open(copy);
    await expect(again.read('c-1', { version: 1, offset: 0, length: 1 })).rejects.toEqual(withCode('BadChecksum'));
    await again.close();
  });
});

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at]! ^= 1;
  writeFileSync(path, bytes);
}

describe('a journal that cannot be opened', () => {
  it('is opened when what was in its way is gone, and keeps nobody from chunks that are not of this store', async () => {
    const path = newDirectory();
    mkdirSync(path);
    writeFileSync(join(path, 'journal'), 'in the way');
    const store = await open(path);
    for (let i = 0; i < 2; i++) await expect(store.make('c-1', CAPACITY, 1)).rejects.toThrow();
    expect(await store.has('c-of-an-append-file')).toBe(false);
    await store.delete('c-of-an-append-file');
    rmSync(join(path, 'journal'));
    await store.make('c-1', CAPACITY, 1);
    await store.write('c-1', { version: 1, offset: 5, bytes: Buffer.from('written'), durable: true });
    expect((await store.read('c-1', { version: 1, offset: 5, length: 7 })).toString()).toBe('written');
    await store.close();
  });
});
