import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fsck } from '../../../services/pangu/client.ts';
import { dataOffset } from '../../../services/pangu/core/chunk-format.ts';
import { randomDataOffset } from '../../../services/pangu/core/random-format.ts';
import { masterService } from '../../../services/pangu/master-contract.ts';
import { type PanguCluster, startPanguCluster } from '../../helpers/pangu-cluster.ts';

const MIB = 1024 * 1024;

describe('scrubbing', () => {
  let cluster: PanguCluster;
  beforeAll(async () => {
    cluster = await startPanguCluster({ control: { watchMs: 50, mendMs: 50 }, scrub: { pauseMs: 20, bytesPerSecond: 64 * MIB } });
  });
  afterAll(() => cluster?.stop());

  it('finds what a disk forgot although nobody reads it, and the replica is made again elsewhere', async () => {
    const bytes = randomBytes(2 * MIB + 100);
    await cluster.pangu.writeFile('/rots', bytes, { replicas: 3 });
    const { chunk, nodes } = (await cluster.pangu.locate('/rots'))[0]!;
    const path = (await cluster.chunkFiles(nodes[1]!)).find((file) => basename(file) === chunk)!;
    const file = await open(path, constants.O_RDWR);
    await file.write(randomBytes(16), 0, 16, dataOffset(64 * MIB) + 2 * MIB + 3);
    await file.close();
    const master = cluster.cluster.kuafu.service(masterService, 'nuwa://test/pangu-master/');
    const ledger = async () => (await master.ledger({ chunk, limit: 10 })).entries.map(({ kind, node }) => [kind, node]);
    await expect.poll(async () => (await ledger()).length, { timeout: 20_000 }).toBe(2);
    // Elsewhere, or in the room of the one that went.
    const others = cluster.nodes.filter((node) => node !== nodes[0] && node !== nodes[2]);
    expect(await ledger()).toEqual([
      ['replicaMade', expect.toBeOneOf(others)],
      ['replicaBad', nodes[1]],
    ]);
    await expect.poll(async () => (await fsck(cluster.cluster.kuafu, 'test', { verify: true })).problems, { timeout: 20_000 }).toEqual([]);
    expect((await cluster.pangu.readFile('/rots')).equals(bytes)).toBe(true);
  });

  it('finds it in random files too', async () => {
    const file = await cluster.pangu.open('/rots-anywhere', 'wx', { kind: 'random', chunkBytes: MIB });
    await file.pwrite(0, randomBytes(MIB));
    await file.close();
    const { chunk, nodes } = (await cluster.pangu.locate('/rots-anywhere'))[0]!;
    // Its blocks are in their places once the server has come to an orderly end.
    await cluster.killChunkServer(nodes[0]!);
    const disk = await open(join(cluster.chunkDirectory(nodes[0]!), 'random', 'chunks', chunk), constants.O_RDWR);
    await disk.write(randomBytes(16), 0, 16, randomDataOffset(MIB) + MIB / 2);
    await disk.close();
    await cluster.startChunkServer(nodes[0]!);
    const master = cluster.cluster.kuafu.service(masterService, 'nuwa://test/pangu-master/');
    const kinds = async () => (await master.ledger({ chunk, limit: 10 })).entries.map(({ kind }) => kind);
    await expect.poll(kinds, { timeout: 20_000 }).toEqual(['replicaMade', 'replicaBad']);
  });

  it('leaves alone what is written, removed and read at the same time', async () => {
    const file = await cluster.pangu.open('/grows', 'wx', { replicas: 2 });
    for (let i = 0; i < 15; i++) {
      await file.write(randomBytes(50_000));
      await file.sync();
      await cluster.pangu.writeFile('/short-lived', randomBytes(10_000), { mode: 'w' });
    }
    await file.close();
    expect((await cluster.pangu.readFile('/grows')).length).toBe(750_000);
    expect((await fsck(cluster.cluster.kuafu, 'test', { verify: true })).clean).toBe(true);
  });
});
