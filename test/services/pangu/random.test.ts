import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ChunkLocation, PanguClient } from '../../../services/pangu/contract.ts';
import { randomDataOffset } from '../../../services/pangu/core/random-format.ts';
import { type PanguCluster, startPanguCluster } from '../../helpers/pangu-cluster.ts';
import { replicasOf } from '../../helpers/random-replicas.ts';

const withCode = (code: string) => expect.objectContaining({ code });
const KIB = 1024;

describe('a random file', () => {
  let cluster: PanguCluster;
  let pangu: PanguClient;
  beforeAll(async () => {
    cluster = await startPanguCluster({ control: { watchMs: 50, mendMs: 200 } });
    pangu = cluster.pangu;
  });
  afterAll(() => cluster?.stop());

  it('is written anywhere, reads what it wrote, and holes are zeros', async () => {
    const file = await pangu.open('/anywhere', 'wx', { kind: 'random', chunkBytes: 64 * KIB });
    await file.pwrite(200 * KIB, Buffer.from('far'));
    await file.pwrite(10, Buffer.from('near'));
    const expected = Buffer.alloc(200 * KIB + 3);
    expected.write('near', 10);
    expected.write('far', 200 * KIB);
    expect((await file.read(0, 300 * KIB)).equals(expected)).toBe(true);
    const stat = await file.close();
    expect(stat).toMatchObject({ kind: 'random', state: 'closed', size: expected.length });
    expect((await pangu.readFile('/anywhere')).equals(expected)).toBe(true);
    expect((await pangu.locate('/anywhere')).map(({ offset, nodes }) => [offset, nodes.length])).toEqual([
      [0, 3],
      [192 * KIB, 3],
    ]);
  });

  it('is opened again with r+, cut, and grown with zeros', async () => {
    const file = await pangu.open('/cut', 'wx', { kind: 'random', chunkBytes: 64 * KIB });
    await file.write(Buffer.alloc(150 * KIB, 'x'));
    await file.close();
    const again = await pangu.open('/cut', 'r+');
    await again.truncate(70 * KIB);
    expect((await pangu.stat('/cut')).size).toBe(70 * KIB);
    await again.truncate(160 * KIB);
    await again.pwrite(159 * KIB, Buffer.alloc(KIB, 'y'));
    await again.close();
    const expected = Buffer.concat([Buffer.alloc(70 * KIB, 'x'), Buffer.alloc(89 * KIB), Buffer.alloc(KIB, 'y')]);
    expect((await pangu.readFile('/cut')).equals(expected)).toBe(true);
  });

  it('refuses what makes no sense', async () => {
    await pangu.writeFile('/appended', 'x');
    await expect(pangu.open('/appended', 'r+')).rejects.toEqual(withCode('EBADF'));
    await expect(pangu.open('/nowhere', 'r+')).rejects.toEqual(withCode('ENOENT'));
    await expect(pangu.open('/', 'r+')).rejects.toEqual(withCode('EISDIR'));
    const appended = await pangu.open('/appended-2', 'wx');
    await expect(appended.pwrite(0, Buffer.from('x'))).rejects.toEqual(withCode('EBADF'));
    await expect(appended.truncate(0)).rejects.toEqual(withCode('EBADF'));
    await appended.abort();
    const file = await pangu.open('/sense', 'wx', { kind: 'random' });
    await expect(file.pwrite(-1, Buffer.from('x'))).rejects.toEqual(withCode('EINVAL'));
    await expect(file.pwrite(2 ** 53, Buffer.from('x'))).rejects.toEqual(withCode('EINVAL'));
    await expect(file.truncate(0.5)).rejects.toEqual(withCode('EINVAL'));
    await expect(pangu.open('/sense', 'wx', { kind: 'random' })).rejects.toEqual(withCode('EEXIST'));
    await file.close();
    await expect(file.pwrite(0, Buffer.from('x'))).rejects.toEqual(withCode('EBADF'));
    const reader = await pangu.open('/sense', 'r');
    await expect(reader.pwrite(0, Buffer.from('x'))).rejects.toEqual(withCode('EBADF'));
  });

  it('is read past a flipped bit, and what is damaged is replaced', async () => {
    const bytes = randomBytes(48 * KIB);
    const file = await pangu.open('/flipped', 'wx', { kind: 'random', chunkBytes: 64 * KIB });
    await file.pwrite(0, bytes);
    await file.close();
    const [{ chunk, nodes }] = (await pangu.locate('/flipped')) as [ChunkLocation];
    const node = nodes[0]!;
    await cluster.killChunkServer(node); // in good order: all is in its place
    const path = join(cluster.chunkDirectory(node), 'random', 'chunks', chunk);
    const disk = await readFile(path);
    disk[randomDataOffset(64 * KIB) + 20_000]! ^= 4;
    await writeFile(path, disk);
    await cluster.startChunkServer(node);
    const reader = await cluster.clientOn(node).open('/flipped', 'r');
    const read = async () => (await reader.read(0, 64 * KIB)).equals(bytes);
    // The reader asks its own node first, as soon as that one is known to be back.
    const replaced = async () => {
      expect(await read()).toBe(true);
      const { places, digests } = replicasOf(cluster);
      const [place] = await places('/flipped', [0]);
      const { version, replicas } = place!;
      const [all] = await digests('/flipped', [0]);
      return { moved: version > 1, replicas: replicas.length, alike: new Set(all).size };
    };
    await expect.poll(replaced, { timeout: 20_000 }).toEqual({ moved: true, replicas: 3, alike: 1 });
  }, 30_000);

  it('may be written without syncs, which come with sync() and close()', async () => {
    const file = await pangu.open('/unsynced', 'wx', { kind: 'random', sync: false, chunkBytes: 64 * KIB });
    await Promise.all(Array.from({ length: 16 }, (_, i) => file.pwrite(i * 1_000, Buffer.alloc(1_000, String(i % 10)))));
    await file.sync();
    await file.pwrite(3, Buffer.from('x'));
    await file.close();
    const read = await pangu.readFile('/unsynced');
    expect(read.length).toBe(16_000);
    expect(read.subarray(0, 5).toString()).toBe('000x0');
  });

  it('appears at its path when it is closed, in mode w, and takes the place of what was there', async () => {
    await pangu.writeFile('/replaced', 'before');
    const file = await pangu.open('/replaced', 'w', { kind: 'random', chunkBytes: 64 * KIB });
    await file.pwrite(5, Buffer.from('after'));
    expect((await pangu.readFile('/replaced')).toString()).toBe('before');
    await file.close();
    expect((await pangu.readFile('/replaced')).toString()).toBe('\0\0\0\0\0after');
  });

  it('is given up without a trace when it is new, and stays as it is when it was there', async () => {
    const made = await pangu.open('/given-up', 'wx', { kind: 'random', chunkBytes: 64 * KIB });
    await made.pwrite(0, Buffer.from('x'));
    await made.abort();
    await expect(pangu.stat('/given-up')).rejects.toEqual(withCode('ENOENT'));
    await pangu.open('/kept', 'wx', { kind: 'random' }).then((file) => file.close());
    const kept = await pangu.open('/kept', 'r+');
    await kept.pwrite(0, Buffer.from('kept'));
    await kept.abort();
    expect((await pangu.readFile('/kept')).toString()).toBe('kept');
  });

  it('counts for quotas, and its chunks are given back when it is removed', async () => {
    await pangu.mkdir('/small');
    await pangu.setQuota('/small', { bytes: 100 * KIB });
    const file = await pangu.open('/small/file', 'wx', { kind: 'random', chunkBytes: 64 * KIB });
    await file.pwrite(0, Buffer.alloc(10 * KIB, 'x'));
    await expect(file.pwrite(200 * KIB, Buffer.from('x'))).rejects.toEqual(withCode('EDQUOT'));
    await file.sync();
    await file.close();
    const [{ chunk, nodes }] = (await pangu.locate('/small/file')) as [ChunkLocation];
    await pangu.unlink('/small/file', { skipTrash: true });
    const there = async () => (await readdir(join(cluster.chunkDirectory(nodes[0]!), 'random', 'chunks'))).includes(chunk);
    await expect.poll(there, { timeout: 10_000 }).toBe(false);
  });

  it('has its replicas moved and added when it is closed, and not behind the back of its writer', async () => {
    const bytes = randomBytes(40 * KIB);
    const file = await pangu.open('/moved', 'wx', { kind: 'random', chunkBytes: 64 * KIB, replicas: 2 });
    await file.pwrite(0, bytes);
    await file.flush();
    const [{ chunk, nodes }] = (await pangu.locate('/moved')) as [ChunkLocation];
    const { masters, digests, places } = replicasOf(cluster);
    const move = () => masters.moveReplica({ chunk, from: nodes[0]!, seal: true });
    expect((await move()).outcome).toBe('open');
    await file.close();
    expect((await move()).outcome).toBe('done');
    const [{ nodes: after }] = (await pangu.locate('/moved')) as [ChunkLocation];
    expect(after).not.toContain(nodes[0]);
    expect(after).toContain(nodes[1]);
    await pangu.setReplicas('/moved', 3);
    await expect.poll(async () => (await places('/moved', [0]))[0]!.replicas.length, { timeout: 10_000 }).toBe(3);
    const [all] = await digests('/moved', [0]);
    expect(new Set(all).size).toBe(1);
    expect((await pangu.readFile('/moved')).equals(bytes)).toBe(true);
  }, 20_000);

  it('leaves a server that drains while its writer has it open', async () => {
    const bytes = randomBytes(40 * KIB);
    const file = await pangu.open('/draining', 'wx', { kind: 'random', chunkBytes: 64 * KIB });
    await file.pwrite(0, bytes);
    await file.flush();
    const { masters, places } = replicasOf(cluster);
    const nodes = async () => (await places('/draining', [0]))[0]!.replicas.map(({ node }) => node);
    const [leaving] = await nodes();
    await masters.setDraining({ node: leaving!, draining: true });
    try {
      await expect.poll(async () => (await nodes()).includes(leaving!), { timeout: 15_000 }).toBe(false);
      expect((await nodes()).length).toBe(3);
      await file.pwrite(40 * KIB, Buffer.from('more'));
      await file.close();
      expect((await pangu.readFile('/draining')).equals(Buffer.concat([bytes, Buffer.from('more')]))).toBe(true);
    } finally {
      await masters.setDraining({ node: leaving!, draining: false });
    }
  }, 20_000);
});
