import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BLOCK_BYTES, type PanguClient } from '../../../services/pangu/contract.ts';
import { masterService } from '../../../services/pangu/master-contract.ts';
import { type PanguCluster, startPanguCluster } from '../../helpers/pangu-cluster.ts';
import { mountSmallDisk, unmountDisk, whyNoMounts } from '../../helpers/small-disks.ts';

const MIB = 1024 * 1024;
const withCode = (code: string) => expect.objectContaining({ code });

describe('when processes are killed', () => {
  let cluster: PanguCluster;
  let pangu: PanguClient;
  beforeAll(async () => {
    cluster = await startPanguCluster({ processes: ['pangu-chunk', 'pangu-master'] });
    pangu = cluster.pangu;
  });
  afterAll(() => cluster?.stop());

  it('goes on writing when chunk servers die in mid-chunk, and all bytes are there', async () => {
    const bytes = randomBytes(24 * MIB);
    const file = await pangu.open('/killed-writing', 'wx', { chunkBytes: 64 * MIB, preferNode: 'n1' });
    const write = async (from: number, to: number): Promise<void> => {
      for (let at = from; at < to; at += MIB / 2) await file.write(bytes.subarray(at, at + MIB / 2));
    };
    await write(0, 6 * MIB);
    await file.sync();
    await write(6 * MIB, 8 * MIB);
    await cluster.killChunkServer('n1'); // the first of the chain
    await write(8 * MIB, 16 * MIB);
    await file.sync();
    const middle = (await pangu.locate('/killed-writing')).at(-1)!.nodes[1]!;
    await cluster.killChunkServer(middle);
    await write(16 * MIB, bytes.length);
    await file.close();
    const chunks = await pangu.locate('/killed-writing');
    expect(chunks.length).toBeGreaterThanOrEqual(3);
    expect(chunks[0]!.nodes).not.toContain('n1');
    expect(chunks.at(-1)!.nodes).not.toContain(middle);
    expect((await pangu.readFile('/killed-writing')).equals(bytes)).toBe(true);
    await Promise.all(['n1', middle].map((node) => cluster.startChunkServer(node)));
    const copies = async (): Promise<number[]> => (await pangu.locate('/killed-writing')).map(({ nodes }) => nodes.length);
    await expect.poll(copies, { timeout: 20_000 }).toEqual(chunks.map(() => 3)); // what the writer lost is made again
    expect((await pangu.readFile('/killed-writing')).equals(bytes)).toBe(true);
  }, 60_000);

  it('goes on reading when a chunk server dies in mid-read', async () => {
    const bytes = randomBytes(16 * MIB);
    await pangu.writeFile('/killed-reading', bytes, { chunkBytes: 4 * MIB, replicas: 2, preferNode: 'n2' });
    const pieces: Buffer[] = [];
    for await (const piece of cluster.clientOn('n2').createReadStream('/killed-reading')) {
      pieces.push(piece as Buffer);
      if (pieces.length === 3) await cluster.killChunkServer('n2');
    }
    expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
    await cluster.startChunkServer('n2');
  });

  it('waits for the only chunk server of a chunk while it restarts', async () => {
    const bytes = randomBytes(2 * MIB);
    await pangu.writeFile('/only', bytes, { replicas: 1, preferNode: 'n3' });
    await cluster.killChunkServer('n3');
    const [read] = await Promise.all([pangu.readFile('/only'), cluster.startChunkServer('n3')]);
    expect(read.equals(bytes)).toBe(true);
  });

  it('fails neither a write nor a read while the master is away for a while', async () => {
    const bytes = randomBytes(8 * MIB);
    const file = await pangu.open('/masterless', 'wx', { chunkBytes: MIB });
    await file.write(bytes.subarray(0, 2 * MIB));
    await cluster.killMaster();
    const [, stat] = await Promise.all([cluster.startMaster(), file.write(bytes.subarray(2 * MIB)).then(() => file.close())]);
    expect(stat.size).toBe(bytes.length);
    await cluster.killMaster();
    const [, read] = await Promise.all([cluster.startMaster(), pangu.readFile('/masterless')]);
    expect(read.equals(bytes)).toBe(true);
  });

  it('keeps what was closed when every chunk server dies, and fails a write with EIO while none is there', async () => {
    const bytes = randomBytes(3 * MIB);
    await pangu.writeFile('/kept', bytes, { chunkBytes: MIB });
    const file = await pangu.open('/unfinished', 'wx', { chunkBytes: 64 * MIB });
    await file.write(bytes);
    await file.sync();
    await Promise.all(cluster.nodes.map((node) => cluster.killChunkServer(node)));
    const failure = file
      .write(bytes)
      .then(() => file.close())
      .catch((error) => error);
    expect(await failure).toEqual(withCode('EIO'));
    await file.abort();
    await expect(pangu.stat('/unfinished')).rejects.toEqual(withCode('ENOENT'));
    await Promise.all(cluster.nodes.map((node) => cluster.startChunkServer(node)));
    expect((await pangu.readFile('/kept')).equals(bytes)).toBe(true);
  });
});

const noMounts = whyNoMounts();
if (noMounts) console.log(`the tests of full disks are skipped: ${noMounts}`);

describe.skipIf(noMounts)('when disks are full', () => {
  let cluster: PanguCluster;
  let pangu: PanguClient;
  const directory = mkdtempSync(join(tmpdir(), 'feitian-test-disks-'));
  const disk = (node: string): string => join(directory, node);
  const sizes: Record<string, number> = { small: 12, large1: 60, large2: 60 };

  beforeAll(async () => {
    for (const [node, mib] of Object.entries(sizes)) mountSmallDisk(disk(node), mib);
    const nodes = Object.keys(sizes).map((id) => ({ id, rack: id, dataDir: disk(id) }));
    cluster = await startPanguCluster({ nodes, reportMs: 3_600_000 });
    pangu = cluster.pangu;
  });
  afterAll(async () => {
    await cluster?.stop();
    for (const node of Object.keys(sizes)) unmountDisk(disk(node));
    rmSync(directory, { recursive: true, force: true });
  });

  it('goes on elsewhere when the disk of one chunk server fills up under it', async () => {
    const bytes = randomBytes(30 * MIB);
    // The masters never hear of the small disk filling up: it has to tell the writer.
    await pangu.writeFile('/fits', bytes, { replicas: 1, preferNode: 'small', chunkBytes: 8 * MIB });
    const nodes = (await pangu.locate('/fits')).map(({ nodes }) => nodes[0]);
    expect(nodes).toContain('small');
    expect(nodes.length).toBeGreaterThan(4);
    expect((await pangu.readFile('/fits')).equals(bytes)).toBe(true);
    await pangu.unlink('/fits');
  });

  it('copies nothing to a disk that has no room, whatever the master believes, and leaves nothing of it there', async () => {
    const master = cluster.cluster.kuafu.service(masterService, 'nuwa://test/pangu-master/');
    await expect.poll(async () => (await cluster.chunkFiles('small')).length, { timeout: 10_000 }).toBe(0);
    const bytes = randomBytes(8 * MIB);
    await pangu.writeFile('/fills', randomBytes(6 * MIB), { replicas: 1, preferNode: 'small', chunkBytes: 8 * MIB });
    await pangu.writeFile('/too-much', bytes, { replicas: 1, preferNode: 'large1', chunkBytes: 8 * MIB });
    const { chunk } = (await pangu.locate('/too-much'))[0]!;
    expect(await master.moveReplica({ chunk, from: 'large1', to: 'small' })).toMatchObject({
      outcome: 'failed',
      reason: expect.stringContaining('NoSpace'),
    });
    expect((await pangu.locate('/too-much'))[0]!.nodes).toEqual(['large1']);
    expect((await pangu.readFile('/too-much')).equals(bytes)).toBe(true);
    await expect.poll(async () => (await cluster.chunkFiles('small')).length, { timeout: 10_000 }).toBe(1);
    expect(await master.moveReplica({ chunk, from: 'large1', to: 'large2' })).toMatchObject({ outcome: 'done', node: 'large2' });
    await Promise.all(['/fills', '/too-much'].map((path) => pangu.unlink(path)));
  });

  it('fails with ENOSPC when no disk has room, shows nothing of the file, and has the space again soon', async () => {
    await expect(pangu.writeFile('/too-large', randomBytes(90 * MIB), { replicas: 2, chunkBytes: 2 * MIB })).rejects.toEqual(
      withCode('ENOSPC'),
    );
    await expect(pangu.stat('/too-large')).rejects.toEqual(withCode('ENOENT'));
    const chunkCount = async (): Promise<number> =>
      (await Promise.all(cluster.nodes.map((node) => cluster.chunkFiles(node)))).flat().length;
    await expect.poll(chunkCount, { timeout: 10_000 }).toBe(0);
    const bytes = randomBytes(4 * MIB);
    await pangu.writeFile('/fits-now', bytes, { chunkBytes: BLOCK_BYTES });
    expect((await pangu.readFile('/fits-now')).equals(bytes)).toBe(true);
  });
});
