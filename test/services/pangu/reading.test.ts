import { randomBytes } from 'node:crypto';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../services/base/random.ts';
import { LocalChunk } from '../../../services/pangu/client/local-chunk.ts';
import type { ChunkLocation } from '../../../services/pangu/contract.ts';
import { dataOffset } from '../../../services/pangu/core/chunk-format.ts';
import { type PanguCluster, startPanguCluster } from '../../helpers/pangu-cluster.ts';

const MIB = 1 << 20;

let cluster: PanguCluster;
const bytes = randomBytes(4 * MIB);

beforeAll(async () => {
  // Chunk servers in processes of their own, so that one can be made to stand still.
  const nodes = ['n1', 'n2', 'n3'].map((id, i) => ({ id, rack: `r${i}` }));
  cluster = await startPanguCluster({ nodes, processes: ['pangu-chunk'] });
  await cluster.pangu.writeFile('/file', bytes, { chunkBytes: 2 * MIB });
}, 120_000);
afterAll(() => cluster.stop());

/** Makes chunk servers stand still while `work` is done. */
async function standingStill(nodes: readonly string[], work: () => Promise<void>): Promise<void> {
  const pids = nodes.map((node) => cluster.pids.get(node)!);
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  try {
    await work();
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT');
  }
}

describe("a reader on a replica's node", () => {
  it('reads the file of a sealed chunk itself, also when its server stands still, and when the chunk is deleted', async () => {
    const reader = await cluster.clientOn('n1').open('/file', 'r');
    await expect.poll(() => isReadFromDisk((at) => reader.read(at, 1)), { timeout: 30_000 }).toBe(true);
    const onDisk = await cluster.chunkFiles('n1');
    await cluster.pangu.writeFile('/other', bytes, { chunkBytes: 2 * MIB });
    await cluster.pangu.rm('/file', { skipTrash: true });
    await expect
      .poll(async () => (await cluster.chunkFiles('n1')).filter((file) => onDisk.includes(file)), { timeout: 30_000 })
      .toEqual([]);
    expect((await reader.read(0, bytes.length)).equals(bytes)).toBe(true);
    await cluster.pangu.rename('/other', '/file');
  }, 90_000);

  it('takes no file for a chunk that does not say that it is', async () => {
    const [{ chunk }] = (await cluster.pangu.locate('/file')) as [ChunkLocation];
    const path = join(cluster.chunkDirectory('n1'), 'chunks', chunk);
    const local = await LocalChunk.open(path, chunk, dataOffset(2 * MIB));
    expect((await local.read(65_530, 100)).equals(bytes.subarray(65_530, 65_630))).toBe(true);
    local.close();
    await expect(local.read(0, 1)).rejects.toMatchObject({ code: 'BadRange' });
    const elsewhere = join(cluster.chunkDirectory('n1'), 'c-other');
    await copyFile(path, elsewhere);
    await expect(LocalChunk.open(elsewhere, 'c-other', dataOffset(2 * MIB))).rejects.toMatchObject({ code: 'BadChecksum' });
  });
});

/** Both chunks are read while no server answers: only their files can have been. */
async function isReadFromDisk(readAt: (position: number) => Promise<Buffer>): Promise<boolean> {
  for (const at of [0, 2 * MIB]) await readAt(at);
  let fromDisk = false;
  await standingStill(cluster.nodes, async () => {
    const read = Promise.all([readAt(1), readAt(2 * MIB + 1)]).then(
      ([first, second]) => first[0] === bytes[1] && second[0] === bytes[2 * MIB + 1],
    );
    // A server that stands still answers when it goes on, ten times later than a disk does.
    fromDisk = await Promise.race([read, new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 2_000))]);
    read.catch(() => {});
  });
  return fromDisk;
}

describe('a chunk server that stands still', () => {
  it('hardly shows: another replica is asked, and the one that is late is left alone', async () => {
    const seed = Number(process.env.FEITIAN_TEST_SEED ?? randomBytes(4).readUInt32LE());
    const random = seededRandom(seed);
    const reader = await cluster.pangu.open('/file', 'r');
    const slowest = async (reads: number): Promise<number> => {
      const tookMs: number[] = [];
      const one = async (): Promise<void> => {
        const at = random.int(bytes.length - 4_096);
        const beganMs = performance.now();
        expect((await reader.read(at, 4_096)).equals(bytes.subarray(at, at + 4_096)), `at ${at}, seed ${seed}`).toBe(true);
        tookMs.push(performance.now() - beganMs);
      };
      for (let i = 0; i < reads; i += 4) await Promise.all([one(), one(), one(), one()]);
      return Math.max(...tookMs);
    };
    await slowest(120);
    await standingStill(['n2'], async () => {
      // A reader that waits for it waits ten seconds.
      expect(await slowest(200), `seed ${seed}`).toBeLessThan(5_000);
    });
  }, 90_000);
});
