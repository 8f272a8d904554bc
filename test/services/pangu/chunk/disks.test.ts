import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../../../services/base/clock.ts';
import { silentLogger } from '../../../../services/base/log.ts';
import { seededRandom } from '../../../../services/base/random.ts';
import { ChunkStore } from '../../../../services/pangu/chunk/chunk-store.ts';
import type { DiskSetOptions } from '../../../../services/pangu/chunk/disks/disk-set.ts';
import { BLOCK_BYTES } from '../../../../services/pangu/contract.ts';
import { crcsOf } from '../../../../services/pangu/core/blocks.ts';
import { crc } from '../../../../services/pangu/crc.ts';
import { FaultyDisks } from '../../../helpers/faulty-disks.ts';
import { isMounted, makeReadOnly, mountSmallDisk, unmountDisk, whyNoMounts } from '../../../helpers/small-disks.ts';

const CAPACITY = 16 * BLOCK_BYTES;
const withCode = (code: string) => expect.objectContaining({ code });

let directory: string;
let dataDir: string;
let stores: ChunkStore[] = [];
const dir = (name: string): string => join(directory, name);
const [a, b] = ['a', 'b'];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'feitian-test-chunk-disks-'));
  dataDir = dir('data');
});
afterEach(async () => {
  for (const store of stores) await store.close();
  stores = [];
  rmSync(directory, { recursive: true, force: true });
});

async function open(disks?: string[], more: Partial<DiskSetOptions> = {}): Promise<ChunkStore> {
  const owner = { node: 'n1', cluster: 'test', dataDir, disks: disks?.map(dir) };
  const store = await ChunkStore.open({ ...owner, log: silentLogger, random: seededRandom(1), ...more });
  stores.push(store);
  return store;
}

/** As its process would end without a word: what it had open stays as it is on disk. */
function forget(store: ChunkStore): void {
  stores = stores.filter((other) => other !== store);
}

async function write(
  store: ChunkStore,
  chunk: string,
  bytes: Buffer,
  finish: 'none' | 'sync' | 'seal' = 'seal',
  offset = 0,
): Promise<void> {
  await store.useOrCreate(chunk, CAPACITY, offset === 0, (file) => file.append(offset, bytes, crcsOf(bytes, offset, crc), finish, true));
}

function read(store: ChunkStore, chunk: string): Promise<Buffer> {
  return store.use(chunk, async (file) => (await file.read(0, file.length)).bytes);
}

const chunksOn = (name: string): string[] => readdirSync(join(dir(name), 'chunks')).sort();
const stateOf = (store: ChunkStore): Record<string, string> =>
  Object.fromEntries(store.disks.measured.map(({ path, state }) => [path.slice(directory.length + 1), state]));

describe('the disks of a chunk server', () => {
  it('are its own directory when nobody names any, and what lay there before is found', async () => {
    const before = await open();
    const bytes = randomBytes(1000);
    await write(before, 'c-old', bytes);
    await before.close();
    rmSync(join(dataDir, 'disk.json'));
    rmSync(join(dataDir, 'disks.json')); // as it was when disks had no identity
    const after = await open();
    expect((await read(after, 'c-old')).equals(bytes)).toBe(true);
    expect(chunksOn('data')).toEqual(['c-old']);
    expect(after.disks.measured.map(({ state, path }) => [state, path])).toEqual([['healthy', dataDir]]);
  });

  it('get chunks in a lottery, and give back each one, also after a restart', async () => {
    const store = await open([a, b]);
    const chunks = Array.from({ length: 40 }, (_, i) => ({ id: `c-${i}`, bytes: randomBytes(100 + i) }));
    for (const { id, bytes } of chunks) await write(store, id, bytes);
    expect(Math.min(chunksOn(a).length, chunksOn(b).length)).toBeGreaterThan(8);
    await store.close();
    const again = await open([b, a]);
    for (const { id, bytes } of chunks) expect((await read(again, id)).equals(bytes)).toBe(true);
    expect((await again.list('', 100)).chunks).toHaveLength(40);
    await expect(read(again, 'c-none')).rejects.toEqual(withCode('NoChunk'));
    await again.delete('c-7');
    await expect(read(again, 'c-7')).rejects.toEqual(withCode('NoChunk'));
    expect([...chunksOn(a), ...chunksOn(b)]).toHaveLength(39);
  });

  it('does not begin a chunk anew on another disk when its first append is sent again after a restart', async () => {
    const bytes = randomBytes(5000);
    const ids = Array.from({ length: 10 }, (_, i) => `c-${i}`);
    const store = await open([a, b]);
    for (const id of ids) await write(store, id, bytes, 'sync');
    forget(store);
    const again = await open([a, b], { random: seededRandom(99) });
    for (const id of ids) await write(again, id, bytes, 'sync');
    expect([...chunksOn(a), ...chunksOn(b)].sort()).toEqual(ids.sort());
  });

  it('are known again at another path, and refused in another node, another cluster or as a copy', async () => {
    const store = await open([a, b]);
    const bytes = randomBytes(1000);
    for (let i = 0; i < 8; i++) await write(store, `c-${i}`, bytes);
    await store.close();
    renameSync(dir(b), dir('moved'));
    const moved = await open([a, 'moved']);
    expect(stateOf(moved)).toEqual({ a: 'healthy', moved: 'healthy' });
    for (let i = 0; i < 8; i++) expect((await read(moved, `c-${i}`)).equals(bytes)).toBe(true);
    await moved.close();

    cpSync(dir(a), dir('copy'), { recursive: true });
    expect(stateOf(await open([a, 'copy', 'moved']))).toEqual({ a: 'healthy', copy: 'refused', moved: 'healthy' });
    const elsewhere = await open(['moved', 'own'], { node: 'n2', dataDir: dir('data2') });
    expect(elsewhere.disks.measured.find(({ path }) => path === dir('moved'))).toMatchObject({
      state: 'refused',
      reason: expect.stringContaining('is of n1 in cluster test, this is n2'),
    });
    await write(elsewhere, 'c-new', bytes);
    expect(chunksOn('own')).toEqual(['c-new']);
    const otherCluster = await open(['moved'], { cluster: 'other', dataDir: dir('data3') });
    expect(stateOf(otherCluster)).toEqual({ moved: 'refused' });
    await expect(write(otherCluster, 'c-new', bytes)).rejects.toEqual(withCode('DiskFailed'));
  });

  it('does not write into the place of a disk that is missing, starts without it, and takes it back when it is there', async () => {
    const store = await open([a, b]);
    const bytes = randomBytes(1000);
    for (let i = 0; i < 12; i++) await write(store, `c-${i}`, bytes);
    await store.close();
    const onB = chunksOn(b);
    renameSync(dir(b), dir('unplugged'));
    mkdirSync(dir(b)); // the mount point
    const without = await open([a, b]);
    expect(stateOf(without)).toEqual({ a: 'healthy', b: 'missing' });
    for (const id of onB) await expect(read(without, id)).rejects.toEqual(withCode('DiskFailed'));
    for (let i = 0; i < 12; i++) await write(without, `c-more-${i}`, bytes);
    expect(readdirSync(dir(b))).toEqual([]);
    rmSync(dir(b), { recursive: true });
    renameSync(dir('unplugged'), dir(b));
    await without.disks.look();
    expect(stateOf(without)).toEqual({ a: 'healthy', b: 'healthy' });
    for (const id of onB) expect((await read(without, id)).equals(bytes)).toBe(true);
  });

  it('are kept when nobody names them any more, and take no new chunks then', async () => {
    await write(await open(), 'c-old', randomBytes(10));
    const store = await open([a]);
    expect(stateOf(store)).toEqual({ a: 'healthy', data: 'retiring' });
    for (let i = 0; i < 10; i++) await write(store, `c-${i}`, randomBytes(10));
    expect(chunksOn(a)).toHaveLength(10);
    expect(await read(store, 'c-old')).toHaveLength(10);
    expect(stateOf(await open())).toEqual({ a: 'healthy', data: 'healthy' }); // named by nobody: all that are remembered
  });

  it('has an identity that cannot be read for missing', async () => {
    await (await open([a, b])).close();
    writeFileSync(join(dir(b), 'disk.json'), '{');
    expect(stateOf(await open([a, b]))).toEqual({ a: 'healthy', b: 'missing' });
  });
});

describe('a disk that returns errors', () => {
  it.each(['pwrite', 'fdatasync'] as const)('is out after one failed %s, and the others go on', async (call) => {
    const calls = new FaultyDisks();
    const store = await open([a, b], { calls });
    const bytes = randomBytes(3000);
    for (let i = 0; i < 16; i++) await write(store, `c-${i}`, bytes, i < 8 ? 'seal' : 'sync');
    const [onA, onB] = [chunksOn(a), chunksOn(b)];
    const failed: string[] = [];
    store.disks.onFailed(({ path }) => failed.push(path));
    calls.fail(dir(b), call);
    const openOnB = onB.find((id) => Number(id.slice(2)) >= 8)!;
    await expect(write(store, openOnB, bytes, 'sync', 3000)).rejects.toEqual(withCode('DiskFailed'));
    expect(failed).toEqual([dir(b)]);
    expect(stateOf(store)).toEqual({ a: 'healthy', b: 'failed' });
    calls.heal(); // whatever it says later
    for (const id of onB) await expect(read(store, id)).rejects.toEqual(withCode('DiskFailed'));
    await expect(write(store, openOnB, bytes, 'sync', 3000)).rejects.toEqual(withCode('DiskFailed'));
    for (const id of onA) expect((await read(store, id)).equals(bytes)).toBe(true);
    for (let i = 0; i < 10; i++) await write(store, `c-new-${i}`, bytes);
    expect(chunksOn(a)).toHaveLength(onA.length + 10);
    expect(await Promise.all([...onA, ...onB].map((id) => store.isMissing(id)))).toEqual([...onA.map(() => false), ...onB.map(() => true)]);
    expect(store.disks.space.freeBytes).toBeGreaterThan(0);
  });

  it('keeps its place with one bad sector, and is out with the third', async () => {
    const calls = new FaultyDisks();
    const store = await open([a, b], { calls });
    for (let i = 0; i < 16; i++) await write(store, `c-${i}`, randomBytes(3000));
    const onB = chunksOn(b);
    for (const [i, id] of onB.slice(0, 3).entries()) {
      expect(stateOf(store)).toEqual({ a: 'healthy', b: 'healthy' });
      calls.heal();
      calls.fail(join(dir(b), 'chunks', id), 'pread');
      await expect(read(store, id)).rejects.toEqual(withCode('DiskFailed'));
      calls.heal();
      if (i < 2) expect(await read(store, onB[3]!)).toHaveLength(3000);
    }
    expect(stateOf(store)).toEqual({ a: 'healthy', b: 'failed' });
  });

  it('that makes no files any more is passed over at once: the chunk is made on another', async () => {
    const calls = new FaultyDisks();
    const store = await open([a, b], { calls });
    calls.fail(dir(b), 'createFile', 'EROFS');
    for (let i = 0; i < 12; i++) await write(store, `c-${i}`, randomBytes(10));
    expect(chunksOn(a)).toHaveLength(12);
    expect(stateOf(store)).toEqual({ a: 'healthy', b: 'failed' });
  });

  it('is no disk that failed when the process has too many files open', async () => {
    const calls = new FaultyDisks();
    const store = await open([a, b], { calls });
    for (const disk of [a, b]) calls.fail(dir(disk!), 'createFile', 'EMFILE');
    await expect(write(store, 'c-1', randomBytes(10))).rejects.toEqual(withCode('DiskFailed'));
    expect(stateOf(store)).toEqual({ a: 'healthy', b: 'healthy' });
    calls.heal();
    await write(store, 'c-1', randomBytes(10));
  });

  it('that does not answer for a minute is out, if others answer', async () => {
    const calls = new FaultyDisks();
    const clock = new ManualClock();
    const store = await open([a, b], { calls, clock });
    for (let i = 0; i < 12; i++) await write(store, `c-${i}`, randomBytes(10));
    calls.hang(dir(b));
    const looking = store.disks.look();
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(59_000);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(stateOf(store)).toEqual({ a: 'healthy', b: 'healthy' });
    clock.advance(1_000);
    await looking;
    expect(stateOf(store)).toEqual({ a: 'healthy', b: 'failed' });
    expect(store.disks.measured.find(({ path }) => path === dir(b))!.reason).toContain('has not answered for 60 s');
    for (let i = 12; i < 20; i++) await write(store, `c-${i}`, randomBytes(10));
  });

  it('that comes back with an old copy of a chunk gives way to the copy that was made meanwhile', async () => {
    const bytes = randomBytes(9000);
    const store = await open([a, b]);
    for (let i = 0; i < 8; i++) await write(store, `c-${i}`, bytes.subarray(0, 4000), 'sync');
    const onB = chunksOn(b)[0]!;
    await store.close();
    renameSync(dir(b), dir('out'));
    const without = await open([a, b]);
    await without.useForCopy(onB, CAPACITY, (file) => file.append(0, bytes, crcsOf(bytes, 0, crc), 'seal', true));
    await without.close();
    renameSync(dir('out'), dir(b));
    const again = await open([a, b]);
    expect((await read(again, onB)).equals(bytes)).toBe(true);
    expect(chunksOn(b)).not.toContain(onB);
    expect(chunksOn(a)).toContain(onB);
  });
});

const noMounts = whyNoMounts();
if (noMounts) console.log(`the tests of mounted disks are skipped: ${noMounts}`);

describe.skipIf(noMounts)('a mounted disk', () => {
  beforeEach(() => {
    for (const [name, mib] of [
      [a, 8],
      [b, 16],
    ] as const)
      mountSmallDisk(dir(name!), mib);
  });
  afterEach(async () => {
    for (const store of stores) await store.close();
    stores = [];
    for (const name of [a, b]) if (isMounted(dir(name!))) unmountDisk(dir(name!));
  });

  it('that is unmounted under the server is out, and nothing is written into its mount point', async () => {
    const store = await open([a, b]);
    for (let i = 0; i < 12; i++) await write(store, `c-${i}`, randomBytes(1000));
    const onB = chunksOn(b);
    unmountDisk(dir(b!));
    await store.disks.look();
    expect(stateOf(store)).toEqual({ a: 'healthy', b: 'failed' });
    for (let i = 0; i < 8; i++) await write(store, `c-new-${i}`, randomBytes(1000));
    expect(readdirSync(dir(b!))).toEqual([]);
    expect(await Promise.all(onB.map((id) => store.isMissing(id)))).toEqual(onB.map(() => true));
  });

  it('that is unmounted is found out by the first chunk that is made there too', async () => {
    const store = await open([a, b]);
    unmountDisk(dir(b!));
    for (let i = 0; i < 16; i++) await write(store, `c-${i}`, randomBytes(1000));
    expect(chunksOn(a!)).toHaveLength(16);
    expect(stateOf(store)).toEqual({ a: 'healthy', b: 'failed' });
  });

  it('that became read-only is out, and is so again after a restart', async () => {
    await (await open([a, b])).close();
    const store = await open([a, b]);
    makeReadOnly(dir(b!));
    for (let i = 0; i < 16; i++) await write(store, `c-${i}`, randomBytes(1000));
    expect(stateOf(store)).toEqual({ a: 'healthy', b: 'failed' });
    await store.close();
    const again = await open([a, b]);
    expect(again.disks.measured.find(({ path }) => path === dir(b!))!.state).not.toBe('healthy');
    await write(again, 'c-new', randomBytes(10));
  });

  it('that is full takes no more and keeps what it has, and is used again when there is room', async () => {
    const store = await open([a, b]);
    writeFileSync(join(dir(a!), 'ballast'), Buffer.alloc(7.5 * 1024 * 1024));
    await store.disks.measure();
    for (let i = 0; i < 12; i++) await write(store, `c-${i}`, randomBytes(1000));
    expect([chunksOn(a!).length, chunksOn(b!).length]).toEqual([0, 12]);
    expect(store.disks.space.chunkRoomBytes).toBeLessThan(16 * 1024 * 1024);
    rmSync(join(dir(a!), 'ballast'));
    await store.disks.measure();
    for (let i = 12; i < 40; i++) await write(store, `c-${i}`, randomBytes(1000));
    expect(chunksOn(a!).length).toBeGreaterThan(3);
    expect(stateOf(store)).toEqual({ a: 'healthy', b: 'healthy' });
  });

  it('that fills up in mid-chunk says so to the writer, and is a good disk all the same', async () => {
    const store = await open([a]);
    const bytes = randomBytes(1024 * 1024);
    const fill = async (): Promise<void> => {
      for (let i = 0; i < 40; i++) await write(store, `c-${i}`, bytes.subarray(0, CAPACITY));
    };
    await expect(fill()).rejects.toEqual(withCode('NoSpace'));
    await store.disks.look();
    expect(stateOf(store)).toEqual({ a: 'healthy' });
    await store.delete('c-0');
    expect(await read(store, 'c-1')).toHaveLength(CAPACITY);
  });

  it('that replaces a lost one at the same path is a new disk', async () => {
    const store = await open([a, b]);
    await store.close();
    const before = JSON.parse(readFileSync(join(dir(b!), 'disk.json'), 'utf8'));
    unmountDisk(dir(b!));
    mountSmallDisk(dir(b!), 4);
    const again = await open([a, b]);
    expect(stateOf(again)).toEqual({ a: 'healthy', b: 'healthy' });
    expect(JSON.parse(readFileSync(join(dir(b!), 'disk.json'), 'utf8')).id).not.toBe(before.id);
  });
});
