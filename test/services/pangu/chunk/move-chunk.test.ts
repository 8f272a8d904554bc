import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../services/base/clock.ts';
import { silentLogger } from '../../../../services/base/log.ts';
import { seededRandom } from '../../../../services/base/random.ts';
import { startBalancingDisks } from '../../../../services/pangu/chunk/background/balance-disks.ts';
import { ChunkStore } from '../../../../services/pangu/chunk/chunk-store.ts';
import type { ChunkDisk } from '../../../../services/pangu/chunk/disks/chunk-disk.ts';
import type { DiskSetOptions } from '../../../../services/pangu/chunk/disks/disk-set.ts';
import { moveChunk, type Pace, paceOf } from '../../../../services/pangu/chunk/disks/move-chunk.ts';
import { BLOCK_BYTES } from '../../../../services/pangu/contract.ts';
import { crcsOf } from '../../../../services/pangu/core/blocks.ts';
import { crc } from '../../../../services/pangu/crc.ts';
import { FaultyDisks } from '../../../helpers/faulty-disks.ts';
import { isMounted, mountSmallDisk, unmountDisk, whyNoMounts } from '../../../helpers/small-disks.ts';

const CAPACITY = 64 * BLOCK_BYTES;
const BYTES = randomBytes(20 * BLOCK_BYTES + 77);
const withCode = (code: string) => expect.objectContaining({ code });
const atOnce: Pace = { take: async () => {} };

let root: string;
let directory: string;
let stores: ChunkStore[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'feitian-test-move-chunk-'));
  directory = join(root, 'live');
});
afterEach(async () => {
  for (const store of stores) await store.close();
  stores = [];
  for (const name of ['a', 'b', 'c']) if (isMounted(join(directory, name))) unmountDisk(join(directory, name));
  rmSync(root, { recursive: true, force: true });
});

async function open(more: Partial<DiskSetOptions> = {}, at = directory): Promise<ChunkStore> {
  const disks = ['a', 'b'].map((name) => join(at, name));
  const owner = { node: 'n1', cluster: 'test', dataDir: join(at, 'data'), disks };
  const store = await ChunkStore.open({ ...owner, log: silentLogger, random: seededRandom(3), ...more });
  stores.push(store);
  return store;
}

async function write(store: ChunkStore, chunk: string, bytes: Buffer, finish: 'sync' | 'seal' = 'seal'): Promise<void> {
  await store.useOrCreate(chunk, CAPACITY, true, (file) => file.append(0, bytes, crcsOf(bytes, 0, crc), finish, true));
}

function read(store: ChunkStore, chunk: string): Promise<Buffer> {
  return store.use(chunk, async (file) => (await file.read(0, file.length)).bytes);
}

const namesIn = (place: 'chunks' | 'moving', at = directory): string[][] => ['a', 'b'].map((disk) => readdirSync(join(at, disk, place)));

/** Where a chunk is, and where it is not. */
async function sides(store: ChunkStore, chunk: string): Promise<{ from: ChunkDisk; to: ChunkDisk }> {
  const [from] = await store.disks.find(chunk);
  return { from: from!, to: store.disks.all.find((disk) => disk !== from)! };
}

describe('a chunk that moves to another disk of its server', () => {
  it('is there whole, and nowhere else', async () => {
    const store = await open();
    await write(store, 'c-1', BYTES);
    const { to } = await sides(store, 'c-1');
    expect(await moveChunk(store, 'c-1', to, { bytesMax: 1e9, pace: atOnce })).toBe('moved');
    expect((await read(store, 'c-1')).equals(BYTES)).toBe(true);
    expect(readdirSync(join(to.path, 'chunks'))).toEqual(['c-1']);
    expect(namesIn('chunks').flat()).toEqual(['c-1']);
    expect(namesIn('moving').flat()).toEqual([]);
    await store.close();
    expect((await read(await open(), 'c-1')).equals(BYTES)).toBe(true);
  });

  it('is in one place, whole, wherever a crash stops it', async () => {
    const calls = new FaultyDisks();
    const store = await open({ calls });
    await write(store, 'c-1', BYTES);
    const { to } = await sides(store, 'c-1');
    const snapshots: string[] = [];
    calls.onCall = (call) => {
      const snapshot = join(root, `crash-${snapshots.length}-${call}`);
      execFileSync('cp', ['-a', directory, snapshot]); // keeps files with two names
      snapshots.push(snapshot);
    };
    await moveChunk(store, 'c-1', to, { bytesMax: 1e9, pace: atOnce });
    calls.onCall = undefined;
    const asides = new Set<string>();
    for (const snapshot of snapshots) {
      asides.add(JSON.stringify([namesIn('moving', snapshot), namesIn('chunks', snapshot)]));
      const again = await open({}, snapshot);
      expect((await read(again, 'c-1')).equals(BYTES)).toBe(true);
      expect(namesIn('chunks', snapshot).flat()).toEqual(['c-1']);
      expect(namesIn('moving', snapshot).flat()).toEqual([]);
    }
    // Before the copy, with part of it, with both, with the new one and its second name, with the new one alone.
    expect(asides.size).toBe(5);
  });

  it('does not vanish when two disks claim it, each with a name aside', async () => {
    const store = await open();
    await write(store, 'c-1', BYTES);
    await store.close();
    for (const disk of ['a', 'b']) {
      const holder = namesIn('chunks')[0]!.includes('c-1') ? 'a' : 'b';
      const image = readFileSync(join(directory, holder, 'chunks', 'c-1'));
      if (disk !== holder) writeFileSync(join(directory, disk, 'chunks', 'c-1'), image);
    }
    for (const disk of ['a', 'b']) execFileSync('ln', [join(directory, disk, 'chunks', 'c-1'), join(directory, disk, 'moving', 'c-1')]);
    expect((await read(await open(), 'c-1')).equals(BYTES)).toBe(true);
    expect(namesIn('chunks').flat()).toEqual(['c-1']);
  });

  it('stays while it is written to, read, or larger than may go', async () => {
    const store = await open();
    await write(store, 'c-open', BYTES, 'sync');
    await write(store, 'c-read', BYTES);
    const move = async (chunk: string, bytesMax = 1e9) =>
      moveChunk(store, chunk, (await sides(store, chunk)).to, { bytesMax, pace: atOnce });
    expect(await move('c-open')).toBe('notNow');
    expect(await move('c-read', BYTES.length - 1)).toBe('tooLarge');
    let end: (() => void) | undefined;
    const reading = store.use('c-read', (file) => new Promise<void>((resolve) => (end = resolve)).then(() => void file.length));
    await expect.poll(() => end).toBeDefined();
    expect(await move('c-read')).toBe('notNow');
    end!();
    await reading;
    expect(await move('c-read')).toBe('moved');
    expect(namesIn('chunks').flat().sort()).toEqual(['c-open', 'c-read']);
    expect(namesIn('moving').flat()).toEqual([]);
  });

  it('is gone when it was deleted meanwhile', async () => {
    const store = await open();
    await write(store, 'c-1', BYTES);
    const pace: Pace = { take: () => store.delete('c-1') };
    expect(await moveChunk(store, 'c-1', (await sides(store, 'c-1')).to, { bytesMax: 1e9, pace })).toBe('notNow');
    expect([...namesIn('chunks'), ...namesIn('moving')].flat()).toEqual([]);
    await expect(read(store, 'c-1')).rejects.toEqual(withCode('NoChunk'));
  });

  it('stays where it is when its bytes are wrong, or the other disk fails', async () => {
    const calls = new FaultyDisks();
    const store = await open({ calls });
    for (const id of ['c-bad', 'c-good']) await write(store, id, BYTES);
    const bad = await sides(store, 'c-bad');
    const image = readFileSync(bad.from.pathOf('c-bad'));
    image[image.length - 1]! ^= 1;
    writeFileSync(bad.from.pathOf('c-bad'), image);
    await expect(moveChunk(store, 'c-bad', bad.to, { bytesMax: 1e9, pace: atOnce })).rejects.toEqual(withCode('BadChecksum'));
    const good = await sides(store, 'c-good');
    calls.fail(good.to.path, 'fdatasync');
    await expect(moveChunk(store, 'c-good', good.to, { bytesMax: 1e9, pace: atOnce })).rejects.toEqual(withCode('DiskFailed'));
    expect([good.from.failed, good.to.failed]).toEqual([false, true]); // the one whose error it was
    expect((await read(store, 'c-good')).equals(BYTES)).toBe(true);
  });

  it('keeps to the pace that was set', async () => {
    const startMs = performance.now();
    const pace = paceOf(10_000_000, systemClock, new AbortController().signal);
    for (let i = 0; i < 10; i++) await pace.take(100_000);
    expect(performance.now() - startMs).toBeGreaterThan(95);
  });
});

const noMounts = whyNoMounts();
if (noMounts) console.log(`the test of balance between disks is skipped: ${noMounts}`);

describe.skipIf(noMounts)('balance between the disks of a server', () => {
  async function untilQuiet(store: ChunkStore, isDone: () => boolean): Promise<void> {
    const loop = startBalancingDisks({ store, clock: systemClock, log: silentLogger }, { intervalMs: 5, bytesPerSecond: 1e9 });
    await expect.poll(isDone, { timeout: 10_000, interval: 20 }).toBe(true);
    await loop.stop();
  }

  it('brings a new, larger disk to the same share as the full ones, and empties one that nobody names any more', async () => {
    for (const [name, mib] of [
      ['a', 24],
      ['b', 48],
    ] as const)
      mountSmallDisk(join(directory, name), mib);
    const only = await open({ disks: [join(directory, 'a')] });
    const ids = Array.from({ length: 14 }, (_, i) => `c-${i}`);
    for (const id of ids) await write(only, id, BYTES);
    await only.close();

    const store = await open();
    const used = (): number[] => store.disks.all.map(({ space }) => 1 - space.freeBytes / space.totalBytes);
    expect(used()[0]).toBeGreaterThan(0.6);
    await untilQuiet(store, () => Math.abs(used()[0]! - used()[1]!) < 0.08);
    for (const id of ids) expect((await read(store, id)).equals(BYTES)).toBe(true);
    const counts = namesIn('chunks').map((names) => names.length);
    expect(counts[1]! / counts[0]!).toBeGreaterThan(1.3); // twice the size, about twice the chunks
    await store.close();

    const shrunk = await open({ disks: [join(directory, 'b')] });
    await untilQuiet(shrunk, () => namesIn('chunks')[0]!.length === 0);
    for (const id of ids) expect((await read(shrunk, id)).equals(BYTES)).toBe(true);
  });
});
