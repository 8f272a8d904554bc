import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../services/base/log.ts';
import type { ServiceClient } from '../../../services/kuafu/contract.ts';
import { chunkServerService } from '../../../services/pangu/chunk-contract.ts';
import type { PanguClient, PanguFile } from '../../../services/pangu/contract.ts';
import { startMaster } from '../../../services/pangu/master/server.ts';
import { type MasterContract, masterService } from '../../../services/pangu/master-contract.ts';
import { type PanguCluster, startPanguCluster } from '../../helpers/pangu-cluster.ts';

const MIB = 1024 * 1024;
const soon = { timeout: 20_000, interval: 50 };

describe('a chunk server that drains', () => {
  let cluster: PanguCluster;
  let pangu: PanguClient;
  let master: ServiceClient<MasterContract>;

  beforeAll(async () => {
    cluster = await startPanguCluster({ processes: ['pangu-chunk'] });
    pangu = cluster.pangu;
    master = cluster.cluster.kuafu.service(masterService, 'nuwa://test/pangu-master/');
  });
  afterAll(() => cluster?.stop());
  afterEach(async () => {
    await setDraining('n1', false);
  });

  const drainingOf = async (asked: ServiceClient<MasterContract>, node: string): Promise<boolean | undefined> =>
    (await asked.servers({})).servers.find((server) => server.node === node)?.draining;
  async function setDraining(node: string, draining: boolean): Promise<void> {
    await master.setDraining({ node, draining });
    await expect.poll(() => drainingOf(master, node), soon).toBe(draining);
  }
  const nodesOf = async (path: string): Promise<string[]> => [...new Set((await pangu.locate(path)).flatMap(({ nodes }) => nodes))].sort();

  /** Moves all that can be moved away, round after round, until nothing is left. */
  async function drain(node: string, seal: boolean): Promise<void> {
    const once = async (): Promise<number> => {
      const { replicas } = await master.heldReplicas({ node, limit: 1_000 });
      await Promise.all(replicas.map(({ chunk }) => master.moveReplica({ chunk, from: node, seal }, { timeoutMs: 60_000 })));
      return (await master.heldReplicas({ node, limit: 1 })).replicas.length;
    };
    await expect.poll(once, { timeout: 60_000, interval: 50 }).toBe(0);
  }

  it('gets no new chunks, not even those of its own node', async () => {
    await setDraining('n1', true);
    for (let i = 0; i < 10; i++) await cluster.clientOn('n1').writeFile(`/away-${i}`, randomBytes(1_000), { replicas: 3 });
    for (let i = 0; i < 10; i++) expect(await nodesOf(`/away-${i}`)).toEqual(['n2', 'n3', 'n4']);
    await setDraining('n1', false);
    await cluster.clientOn('n1').writeFile('/back', randomBytes(1_000), { replicas: 1 });
    expect(await nodesOf('/back')).toEqual(['n1']);
  });

  it('still drains after it was killed, and every master knows, also one that starts', async () => {
    await setDraining('n1', true);
    await cluster.killChunkServer('n1');
    await cluster.startChunkServer('n1');
    await expect.poll(() => drainingOf(master, 'n1'), soon).toBe(true);
    const config = {
      cluster: 'test',
      listen: 'tcp://127.0.0.1:0',
      nuwa: [cluster.nuwaAddress],
      dataDir: '/tmp',
      databaseUrl: cluster.databaseUrl,
    };
    const second = await startMaster(config, { log: silentLogger });
    try {
      expect(await drainingOf(cluster.cluster.kuafu.service(masterService, second.address!), 'n1')).toBe(true);
      await setDraining('n1', false);
      await cluster.killChunkServer('n1');
      await cluster.startChunkServer('n1');
      await expect.poll(() => drainingOf(cluster.cluster.kuafu.service(masterService, second.address!), 'n1'), soon).toBe(false);
    } finally {
      await second.stop();
    }
  });

  it('refuses to make a chunk that a master chose it for a moment ago, and the writer goes on elsewhere', async () => {
    const file = await pangu.open('/chosen', 'wx', { replicas: 3, preferNode: 'n1' }); // its first chunk is given out now
    await setDraining('n1', true);
    const bytes = randomBytes(3 * MIB);
    await file.write(bytes);
    await file.close();
    expect(await nodesOf('/chosen')).toEqual(['n2', 'n3', 'n4']);
    expect((await pangu.readFile('/chosen')).equals(bytes)).toBe(true);
  });

  it('is empty at the end, and every byte of every file is elsewhere, also of those with one replica', async () => {
    const files = new Map<string, Buffer>();
    for (let i = 0; i < 12; i++) {
      const bytes = randomBytes(200_000 + i);
      await cluster.clientOn('n1').writeFile(`/kept-${i}`, bytes, { replicas: 1 + (i % 3), sync: i % 2 === 0, chunkBytes: 65_536 });
      files.set(`/kept-${i}`, bytes);
    }
    await setDraining('n1', true);
    await drain('n1', false);
    await cluster.killChunkServer('n1');
    for (const [path, bytes] of files) expect((await pangu.readFile(path)).equals(bytes), path).toBe(true);
    for (const [i, path] of [...files.keys()].entries()) {
      const chunks = await pangu.locate(path);
      expect(chunks.every(({ nodes }) => nodes.length === 1 + (i % 3) && !nodes.includes('n1'))).toBe(true);
    }
    await cluster.startChunkServer('n1');
    await expect.poll(() => drainingOf(master, 'n1'), soon).toBe(true);
  });

  it('waits for writers for as long as it is told to, and then they go on in new chunks without losing a byte or a replica', async () => {
    const bytes = randomBytes(20 * MIB);
    const file = await pangu.open('/while-drained', 'wx', { replicas: 3, preferNode: 'n1' });
    await write(file, bytes.subarray(0, 6 * MIB));
    await file.sync();
    await setDraining('n1', true);
    const { chunk } = (await pangu.locate('/while-drained'))[0]!;
    expect(await master.moveReplica({ chunk, from: 'n1', seal: false })).toMatchObject({ outcome: 'open' });
    // It writes all the while.
    const writing = write(file, bytes.subarray(6 * MIB));
    await drain('n1', true);
    await writing;
    await file.close();
    const chunks = await pangu.locate('/while-drained');
    expect(chunks.length).toBeGreaterThan(1);
    for (const { nodes } of chunks) expect(nodes).toHaveLength(3);
    expect(await nodesOf('/while-drained')).toEqual(['n2', 'n3', 'n4']);
    expect((await pangu.readFile('/while-drained')).equals(bytes)).toBe(true);
    expect(await master.underReplicated({ limit: 10 })).toEqual({ chunks: [], more: false });
  });

  it('loses nothing of a writer that has paused all the while and goes on when the server is gone', async () => {
    const bytes = randomBytes(4 * MIB);
    const file = await pangu.open('/paused', 'wx', { replicas: 3, preferNode: 'n1' });
    await write(file, bytes.subarray(0, 2 * MIB + 5));
    await file.sync();
    await setDraining('n1', true);
    await drain('n1', true);
    await cluster.killChunkServer('n1');
    await write(file, bytes.subarray(2 * MIB + 5));
    await file.close();
    for (const { nodes } of await pangu.locate('/paused')) {
      expect(nodes).toHaveLength(3);
      expect(nodes).not.toContain('n1');
    }
    expect((await pangu.readFile('/paused')).equals(bytes)).toBe(true);
    await cluster.startChunkServer('n1');
    await expect.poll(() => drainingOf(master, 'n1'), soon).toBe(true);
  });

  it('lets go of chunks that were given out and never begun, and makes them no more', async () => {
    const file = await pangu.open('/never-begun', 'wx', { replicas: 1, preferNode: 'n1' });
    await setDraining('n1', true);
    await drain('n1', true);
    await setDraining('n1', false); // the drain is given up: its writer must not come back to a chunk that nobody knows
    const bytes = randomBytes(MIB);
    await file.write(bytes);
    await file.close();
    expect((await pangu.readFile('/never-begun')).equals(bytes)).toBe(true);
    expect((await pangu.locate('/never-begun')).every(({ nodes }) => nodes.length === 1)).toBe(true);
  });

  it('takes no copies, and has its name forgotten only when it is empty and gone', async () => {
    await pangu.writeFile('/holds-on', randomBytes(1_000), { replicas: 1, preferNode: 'n3' });
    const { chunk } = (await pangu.locate('/holds-on'))[0]!;
    await setDraining('n1', true);
    expect(await master.moveReplica({ chunk, from: 'n3', to: 'n1' })).toMatchObject({ outcome: 'noTarget' });
    const { servers } = await master.servers({});
    expect(servers.find(({ node }) => node === 'n1')).toMatchObject({ up: true, draining: true, rack: 'r1' });
    await expect(master.forgetNode({ node: 'n1' })).rejects.toMatchObject({ code: 'EINVAL' });
    const address = cluster.cluster.kuafu.service(chunkServerService, 'nuwa://test/pangu-chunk/n1');
    const from = { node: 'n3', address: 'tcp://127.0.0.1:1' };
    await expect(address.copy({ node: 'n1', chunk, capacityBytes: 65_536, length: 1_000, from })).rejects.toMatchObject({
      code: 'Draining',
    });
    await drain('n1', true);
    await cluster.killChunkServer('n1');
    await expect.poll(() => master.forgetNode({ node: 'n1' }).then(() => 'forgotten', String), soon).toBe('forgotten');
    await cluster.startChunkServer('n1');
    await expect.poll(() => drainingOf(master, 'n1'), soon).toBe(true);
  });
});

async function write(file: PanguFile, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; at += MIB / 4) {
    await file.write(bytes.subarray(at, at + MIB / 4));
    await new Promise((resolve) => setTimeout(resolve, 5)); // as a program that makes its bytes
  }
}
