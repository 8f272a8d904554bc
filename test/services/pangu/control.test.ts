import { randomBytes } from 'node:crypto';
import { copyFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../services/base/log.ts';
import type { ServiceClient } from '../../../services/kuafu/contract.ts';
import { nuwaService } from '../../../services/nuwa/contract.ts';
import { fsck } from '../../../services/pangu/client.ts';
import type { PanguClient } from '../../../services/pangu/contract.ts';
import { startMaster } from '../../../services/pangu/master/server.ts';
import { type MasterContract, masterService } from '../../../services/pangu/master-contract.ts';
import { type PanguCluster, startPanguCluster } from '../../helpers/pangu-cluster.ts';

const MIB = 1024 * 1024;
const soon = { timeout: 20_000, interval: 50 };

let cluster: PanguCluster;
let pangu: PanguClient;
let master: ServiceClient<MasterContract>;
let sql: postgres.Sql;

async function openCluster(options: Parameters<typeof startPanguCluster>[0] = {}): Promise<void> {
  cluster = await startPanguCluster({ control: { watchMs: 50, mendMs: 50 }, ...options });
  pangu = cluster.pangu;
  master = cluster.cluster.kuafu.service(masterService, 'nuwa://test/pangu-master/');
  sql = postgres(cluster.databaseUrl, { max: 2, onnotice: () => {} });
}
async function closeCluster(): Promise<void> {
  await sql?.end();
  await cluster?.stop();
}

const healing = (settings: Parameters<typeof master.setHealing>[0]['settings']) => master.setHealing({ settings });
const nodesOf = async (path: string): Promise<string[][]> => (await pangu.locate(path)).map(({ nodes }) => [...nodes].sort());
const onlyChunk = async (path: string) => (await pangu.locate(path))[0]!;
const isClean = async (): Promise<boolean> => (await fsck(cluster.cluster.kuafu, 'test')).problems.length === 0;
const entriesOf = async (...kinds: Parameters<typeof master.ledger>[0]['kinds'] & object) =>
  (await master.ledger({ kinds, limit: 1_000 })).entries.reverse();
const missedNow = async () => (await master.controlState({})).missed;

describe('a server that is missed', () => {
  beforeAll(() => openCluster());
  afterAll(closeCluster);

  it('costs no copy when it is back before its time is over', async () => {
    await healing({ deadAfterMs: 600_000 });
    await pangu.writeFile('/restart', randomBytes(4 * MIB), { chunkBytes: MIB });
    const before = await nodesOf('/restart');
    const [node] = before[0]!;
    await cluster.killChunkServer(node!);
    await expect.poll(async () => (await missedNow()).map((missed) => missed.node), soon).toEqual([node]);
    expect((await master.controlState({})).missed[0]!.deadAtMs).toBeUndefined();
    await cluster.startChunkServer(node!);
    await expect.poll(missedNow, soon).toEqual([]);
    expect(await nodesOf('/restart')).toEqual(before);
    expect(await entriesOf('nodeDead', 'replicaMade')).toEqual([]);
  });

  it('is dead when it stays away; what it held is made again elsewhere, once, and the ledger tells all of it', async () => {
    const bytes = randomBytes(12 * MIB);
    await pangu.writeFile('/lost', bytes, { chunkBytes: MIB });
    const lostChunks = (await pangu.locate('/lost')).concat(await pangu.locate('/restart')).filter(({ nodes }) => nodes.includes('n1'));
    const lostBytes = lostChunks.reduce((sum, { length }) => sum + length, 0);
    await cluster.killChunkServer('n1');
    await healing({ deadAfterMs: 100 });
    await expect.poll(async () => (await missedNow())[0]?.deadAtMs, soon).toBeGreaterThan(0);
    await expect.poll(isClean, soon).toBe(true);
    const [dead] = await entriesOf('nodeDead');
    expect(dead).toMatchObject({ node: 'n1', bytes: lostBytes });
    const made = await entriesOf('replicaMade');
    expect(made.map(({ chunk }) => chunk).sort()).toEqual(lostChunks.map(({ chunk }) => chunk).sort());
    // 1.05 is the bound; here nothing is copied twice.
    expect(made.reduce((sum, entry) => sum + entry.bytes, 0)).toBe(lostBytes);
    for (const { nodes } of await pangu.locate('/lost')) expect(nodes.filter((node) => node !== 'n1')).toHaveLength(3);
    expect((await pangu.readFile('/lost')).equals(bytes)).toBe(true);
  });

  it('brings back too many when it returns: those that stay are in different racks, and their files are all that is on the disks', async () => {
    await cluster.startChunkServer('n1');
    await expect.poll(missedNow, soon).toEqual([]);
    await expect.poll(isClean, soon).toBe(true);
    expect(await entriesOf('nodeBack')).toHaveLength(1);
    const made = (await entriesOf('replicaMade')).length;
    expect((await entriesOf('replicaOver')).length).toBe(made);
    for (const nodes of await nodesOf('/lost')) {
      expect(nodes).toHaveLength(3);
      expect(nodes.some((node) => node === 'n1' || node === 'n2') && nodes.some((node) => node === 'n3' || node === 'n4')).toBe(true);
    }
    const replicas = async (): Promise<string[]> =>
      (await sql`select node || ' ' || chunk as at from pangu.replicas`).map(({ at }) => at as string).sort();
    const files = async (): Promise<string[]> =>
      (await Promise.all(cluster.nodes.map(async (node) => (await cluster.chunkFiles(node)).map((path) => `${node} ${basename(path)}`))))
        .flat()
        .sort();
    await expect.poll(async () => JSON.stringify(await files()) === JSON.stringify(await replicas()), soon).toBe(true);
  });

  it('does not keep a random file short of a replica, nor too many of them when it is back', async () => {
    const file = await pangu.open('/anywhere', 'wx', { kind: 'random', chunkBytes: MIB });
    await file.pwrite(MIB - 3, Buffer.from('across'));
    await file.close();
    const [gone] = (await nodesOf('/anywhere'))[0]!;
    await cluster.killChunkServer(gone!);
    const whole = async (): Promise<boolean> => (await nodesOf('/anywhere')).every((nodes) => nodes.length === 3 && !nodes.includes(gone!));
    await expect.poll(whole, soon).toBe(true);
    expect(await entriesOf('replicaMade')).toContainEqual(
      expect.objectContaining({ chunk: (await onlyChunk('/anywhere')).chunk, bytes: MIB }),
    );
    await cluster.startChunkServer(gone!);
    await expect.poll(isClean, soon).toBe(true);
    for (const nodes of await nodesOf('/anywhere')) expect(nodes).toHaveLength(3);
    expect((await pangu.readFile('/anywhere')).subarray(MIB - 3).toString()).toBe('across');
  });

  it('that held the last replica makes its chunk unavailable, and available again', async () => {
    await pangu.writeFile('/single', randomBytes(1_000), { replicas: 1 });
    const { chunk, nodes } = await onlyChunk('/single');
    await cluster.killChunkServer(nodes[0]!);
    await expect.poll(async () => (await entriesOf('chunkUnavailable')).map((entry) => entry.chunk), soon).toEqual([chunk]);
    await cluster.startChunkServer(nodes[0]!);
    await expect.poll(async () => (await entriesOf('chunkAvailable')).map((entry) => entry.chunk), soon).toEqual([chunk]);
    expect((await pangu.readFile('/single')).length).toBe(1_000);
    await expect.poll(isClean, soon).toBe(true);
  });

  it('leaves chunks with one copy left, which come before those with two, and those before any whose file is younger', async () => {
    await master.claimRepair({ holder: 'test', forMs: 60_000 });
    const files: { chunk: string; nodes: string[] }[][] = [];
    for (const path of ['/older', '/danger', '/younger']) {
      await pangu.writeFile(path, randomBytes(2 * MIB), { chunkBytes: MIB, replicas: 3 });
      files.push((await pangu.locate(path)).map(({ chunk, nodes }) => ({ chunk, nodes: nodes.slice(0, path === '/danger' ? 2 : 1) })));
    }
    const drop = files.flat().flatMap(({ chunk, nodes }) => nodes.map((node) => ({ chunk, node })));
    await sql`
      with gone as (
        delete from pangu.replicas r using jsonb_to_recordset(${JSON.stringify(drop)}::text::jsonb) as l (chunk text, node text)
        where r.chunk = l.chunk and r.node = l.node returning r.chunk, r.node
      ) insert into pangu.garbage select chunk, node from gone`;
    const { lacking, chunks, bytes } = await master.lacking({ limit: 100 });
    const ids = (file: number): string[] => files[file]!.map(({ chunk }) => chunk).sort();
    expect(lacking.map(({ chunk }) => chunk)).toEqual([...ids(1), ...ids(0), ...ids(2)]);
    expect({ chunks, bytes }).toEqual({ chunks: 6, bytes: 8 * MIB });
    expect((await fsck(cluster.cluster.kuafu, 'test')).clean).toBe(false);
    await master.claimRepair({ holder: 'test', forMs: 0 });
    await expect.poll(isClean, soon).toBe(true);
  });

  it('is told by the wish for fewer replicas that some are too many, and for more that some are lacking', async () => {
    await pangu.writeFile('/wish', randomBytes(2 * MIB), { chunkBytes: MIB, replicas: 3 });
    await master.setReplicas({ path: '/wish', replicas: 2 });
    await expect.poll(async () => (await nodesOf('/wish')).map((nodes) => nodes.length), soon).toEqual([2, 2]);
    await expect.poll(isClean, soon).toBe(true);
    await master.setReplicas({ path: '/wish', replicas: 4 });
    await expect.poll(async () => (await nodesOf('/wish')).map((nodes) => nodes.length), soon).toEqual([4, 4]);
    await expect.poll(isClean, soon).toBe(true);
  });

  it('is not copied by the control loop while somebody else says that it mends', async () => {
    await pangu.writeFile('/claimed', randomBytes(MIB), { replicas: 3 });
    expect((await master.claimRepair({ holder: 'w1', forMs: 60_000 })).claim).toMatchObject({ holder: 'w1' });
    expect((await master.claimRepair({ holder: 'w2', forMs: 60_000 })).claim).toMatchObject({ holder: 'w1' });
    await master.setReplicas({ path: '/claimed', replicas: 4 });
    await expect.poll(async () => (await master.controlState({})).lacking?.chunks, soon).toBe(1);
    await healing({ workflowBytesMin: 1_000 });
    const { lacking } = await master.lacking({ limit: 10 });
    expect(lacking).toEqual([expect.objectContaining({ length: MIB, up: 3 })]);
    expect((await master.controlState({})).repairWanted).toBe(false);
    expect(await nodesOf('/claimed')).toEqual([expect.objectContaining({ length: 3 })]);
    await master.claimRepair({ holder: 'w1', forMs: 0 });
    await expect.poll(async () => (await nodesOf('/claimed'))[0]!.length, soon).toBe(4);
  });
});

describe('disks and tables', () => {
  beforeAll(async () => {
    await openCluster();
    await healing({ sweepMs: 50, orphanGraceMs: 300 });
  });
  afterAll(closeCluster);

  it('a file that no row names is removed after its grace, and one that a row names is not', async () => {
    await pangu.writeFile('/kept', randomBytes(100_000), { replicas: 2 });
    const { chunk, nodes } = await onlyChunk('/kept');
    const [path] = (await cluster.chunkFiles(nodes[0]!)).filter((file) => basename(file) === chunk);
    const orphan = 'c-0000000000000000';
    const elsewhere = cluster.nodes.find((node) => !nodes.includes(node))!;
    await copyFile(path!, join(cluster.chunkDirectory(elsewhere), 'chunks', orphan));
    await copyFile(path!, join(cluster.chunkDirectory(elsewhere), 'chunks', chunk));
    await writeFile(join(cluster.chunkDirectory(elsewhere), 'chunks', 'Not A Chunk'), 'x');
    await expect.poll(async () => (await cluster.chunkFiles(elsewhere)).map((file) => basename(file)), soon).toEqual(['Not A Chunk']);
    expect((await entriesOf('fileOrphaned')).map((entry) => [entry.chunk, entry.node]).sort()).toEqual([
      [orphan, elsewhere],
      [chunk, elsewhere],
    ]);
    expect(await nodesOf('/kept')).toEqual([[...nodes].sort()]);
    expect(await cluster.chunkFiles(nodes[0]!)).toHaveLength(1);
  });

  it('a replica whose file is gone is lost, and made again', async () => {
    const bytes = randomBytes(300_000);
    await pangu.writeFile('/gone', bytes, { replicas: 2 });
    const { chunk, nodes } = await onlyChunk('/gone');
    await rm((await cluster.chunkFiles(nodes[0]!)).find((file) => basename(file) === chunk)!);
    await cluster.killChunkServer(nodes[0]!);
    await cluster.startChunkServer(nodes[0]!);
    await expect.poll(() => entriesOf('replicaLost'), soon).toEqual([expect.objectContaining({ chunk, node: nodes[0] })]);
    await expect.poll(async () => (await fsck(cluster.cluster.kuafu, 'test', { verify: true })).problems, soon).toEqual([]);
    expect((await pangu.readFile('/gone')).equals(bytes)).toBe(true);
  });
});

describe('several masters', () => {
  beforeAll(() => openCluster({ processes: ['pangu-chunk'] }));
  afterAll(closeCluster);

  it('one controls; when it goes another goes on, with the time that a server was missed before', async () => {
    await healing({ deadAfterMs: 3_600_000 });
    await pangu.writeFile('/two', randomBytes(2 * MIB), { chunkBytes: MIB });
    const first = (await master.controlState({})).holder;
    expect(first).toBeDefined();
    const config = {
      cluster: 'test',
      listen: 'tcp://127.0.0.1:0',
      nuwa: [cluster.nuwaAddress],
      dataDir: '/tmp',
      databaseUrl: cluster.databaseUrl,
    };
    const second = await startMaster(config, {
      log: silentLogger,
      control: { watchMs: 50, mendMs: 50 },
      garbage: { graceMs: 50, pauseMs: 50 },
    });
    try {
      await cluster.killChunkServer('n3');
      await expect.poll(missedNow, soon).toHaveLength(1);
      const [before] = await missedNow();
      expect((await master.controlState({})).holder).toBe(first);
      await cluster.killMaster();
      await expect.poll(async () => (await master.controlState({})).holder, soon).not.toBe(first);
      expect(await missedNow()).toEqual([before]);
      await healing({ deadAfterMs: 1 });
      await expect.poll(isClean, soon).toBe(true);
    } finally {
      await cluster.startMaster();
      await second.stop();
    }
  });

  it('what one decided that controls no more is not done', async () => {
    await cluster.startChunkServer('n3');
    await expect.poll(isClean, soon).toBe(true);
    const { holder } = await master.controlState({});
    const before = await nodesOf('/two');
    await sql`update pangu.settings set value = 'another/1' where name = 'control'`;
    await master.setReplicas({ path: '/two', replicas: 2 });
    // It finds out, gives up, is elected again, and only then goes on.
    await expect.poll(async () => (await nodesOf('/two')).map((nodes) => nodes.length), soon).toEqual([2, 2]);
    const now = (await master.controlState({})).holder;
    expect(now).not.toBe('another/1');
    expect(now).not.toBe(holder);
    expect(before.map((nodes) => nodes.length)).toEqual([3, 3]);
  });

  it('one whose session has expired is elected again under a new one', async () => {
    const { nuwa, kuafu } = cluster.cluster;
    const before = (await master.controlState({})).holder;
    const candidates = (await nuwa.list('/pangu/control')).children;
    expect(candidates).toHaveLength(1);
    await kuafu.service(nuwaService, cluster.nuwaAddress).closeSession({ session: candidates[0]!.ephemeralOwner! });
    await expect.poll(async () => (await master.controlState({})).holder, soon).not.toBe(before);
    await master.setReplicas({ path: '/two', replicas: 3 });
    await expect.poll(async () => (await nodesOf('/two')).map((nodes) => nodes.length), soon).toEqual([3, 3]);
  });
});
