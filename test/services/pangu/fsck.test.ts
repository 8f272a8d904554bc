import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ServiceClient } from '../../../services/kuafu/contract.ts';
import { type FsckReport, fsck } from '../../../services/pangu/client.ts';
import type { PanguClient } from '../../../services/pangu/contract.ts';
import { dataOffset } from '../../../services/pangu/core/chunk-format.ts';
import { type MasterContract, masterService } from '../../../services/pangu/master-contract.ts';
import { type PanguCluster, startPanguCluster } from '../../helpers/pangu-cluster.ts';

const MIB = 1024 * 1024;

describe('fsck', () => {
  let cluster: PanguCluster;
  let pangu: PanguClient;
  let master: ServiceClient<MasterContract>;
  let sql: postgres.Sql;

  beforeAll(async () => {
    cluster = await startPanguCluster();
    pangu = cluster.pangu;
    master = cluster.cluster.kuafu.service(masterService, 'nuwa://test/pangu-master/');
    sql = postgres(cluster.databaseUrl, { max: 1, onnotice: () => {} });
  });
  afterAll(async () => {
    await sql?.end();
    await cluster?.stop();
  });

  const check = (path = '/', verify = false): Promise<FsckReport> => fsck(cluster.cluster.kuafu, 'test', { path, verify });
  const found = async (path = '/', verify = false): Promise<string[]> =>
    (await check(path, verify)).problems.map(({ kind, path }) => `${kind} ${path}`).sort();
  const fileOf = async (node: string, chunk: string): Promise<string> =>
    (await cluster.chunkFiles(node)).find((path) => basename(path) === chunk)!;
  const onlyChunk = async (path: string) => (await pangu.locate(path))[0]!;

  it('finds nothing wrong with files that were written well, and counts them', async () => {
    await pangu.mkdir('/a/b', { recursive: true });
    await pangu.writeFile('/a/one', randomBytes(3 * MIB), { chunkBytes: MIB });
    await pangu.writeFile('/a/b/two', randomBytes(100), { replicas: 2 });
    await pangu.writeFile('/a/empty', '');
    expect(await check('/', true)).toEqual({
      path: '/',
      clean: true,
      files: 3,
      chunks: 4,
      replicas: 11,
      bytes: 3 * MIB + 100,
      verifiedBytes: 9 * MIB + 200,
      problems: [],
    });
    expect(await check('/a/b')).toMatchObject({ files: 1, chunks: 1, clean: true });
    expect(await check('/a/b/two')).toMatchObject({ files: 1, chunks: 1, bytes: 100 });
    await expect(check('/nowhere')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('tells a server that is away from one whose loss leaves nothing to read', async () => {
    await pangu.writeFile('/alone', randomBytes(100), { replicas: 1 });
    const { nodes } = await onlyChunk('/alone');
    await cluster.killChunkServer(nodes[0]!);
    await expect.poll(() => found('/alone')).toEqual(['unavailable /alone']);
    const { problems, clean } = await check('/a/one');
    expect(clean).toBe(true);
    expect(problems.every(({ kind, severity }) => kind === 'away' && severity === 'warning')).toBe(true);
    await cluster.startChunkServer(nodes[0]!);
    await expect.poll(() => found()).toEqual([]);
  });

  it('finds a replica that is damaged and one that is missing, when it reads them back', async () => {
    await pangu.writeFile('/hurt', randomBytes(MIB), { replicas: 2 });
    const { chunk, nodes } = await onlyChunk('/hurt');
    const file = await open(await fileOf(nodes[0]!, chunk), constants.O_RDWR);
    await file.write(randomBytes(64), 0, 64, dataOffset(64 * MIB) + 1_000);
    await file.close();
    await rm(await fileOf(nodes[1]!, chunk));
    // Open descriptors outlive a file's name.
    await cluster.killChunkServer(nodes[1]!);
    await cluster.startChunkServer(nodes[1]!);
    await expect.poll(() => found('/hurt')).toEqual([]);
    expect(await found('/hurt', true)).toEqual(['bad /hurt', 'missing /hurt']);
    await pangu.rm('/hurt');
  });

  it('knows of a file that nobody can read from then on, and that it can be read again', async () => {
    const bytes = randomBytes(MIB);
    await pangu.writeFile('/lost', bytes, { replicas: 2 });
    const { chunk, nodes } = await onlyChunk('/lost');
    const write = async (node: string, what: Buffer): Promise<void> => {
      const file = await open(await fileOf(node, chunk), constants.O_RDWR);
      await file.write(what, 0, what.length, dataOffset(64 * MIB));
      await file.close();
    };
    for (const node of nodes) await write(node, randomBytes(64));
    await expect(pangu.readFile('/lost')).rejects.toMatchObject({ code: 'EIO' });
    await expect.poll(() => found('/lost')).toEqual(['unavailable /lost']);
    for (const node of nodes) await master.reportBadReplica({ chunk, node, reason: 'once more' });
    const told = async () => (await master.ledger({ chunk, limit: 10 })).entries.map(({ kind }) => kind);
    expect(await told()).toEqual(['chunkDamaged']);
    await write(nodes[0]!, bytes.subarray(0, 64));
    await master.reportBadReplica({ chunk, node: nodes[1]!, reason: 'once more' });
    expect((await found('/lost')).includes('unavailable /lost')).toBe(false);
    expect((await told()).includes('chunkAvailable')).toBe(true);
    expect((await pangu.readFile('/lost')).equals(bytes)).toBe(true);
    await pangu.rm('/lost');
  });

  it('finds a lack of replicas, too many, racks that are crowded, and a size that does not add up', async () => {
    for (const name of ['under', 'over', 'size', 'holes']) await pangu.writeFile(`/wrong/${name}`, randomBytes(200_000), { parents: true });
    const drop = await onlyChunk('/wrong/under');
    await sql`delete from pangu.replicas where chunk = ${drop.chunk} and node = ${drop.nodes[0]!}`;
    await master.setReplicas({ path: '/wrong/over', replicas: 1 });
    await sql`update pangu.inodes set size = 1 where name = 'size'`;
    const hole = await onlyChunk('/wrong/holes');
    await sql`update pangu.chunks set "offset" = 65536 where id = ${hole.chunk}`;
    expect(await found('/wrong')).toEqual(
      expect.arrayContaining(['holes /wrong/holes', 'over /wrong/over', 'size /wrong/size', 'under /wrong/under']),
    );
    expect((await check('/wrong')).clean).toBe(false);
    await pangu.rm('/wrong', { recursive: true });
    expect(await found()).toEqual([]);
  });

  it('finds a quota that was counted wrongly', async () => {
    await pangu.mkdir('/limited');
    await master.setQuota({ path: '/limited', filesMax: 10, bytesMax: null });
    await sql`update pangu.quotas set files = 7`;
    expect(await found()).toEqual(['quota /limited']);
    await master.checkQuotas({ repair: true });
    expect(await found()).toEqual([]);
  });

  it('finds a file whose writer is gone', async () => {
    const file = await pangu.open('/left', 'wx');
    await file.write(randomBytes(10));
    await file.sync();
    expect(await found()).toEqual([]);
    await sql`update pangu.inodes set writer = 'nobody-any-more' where name = 'left'`;
    expect(await found()).toEqual(['abandoned /left']);
    await sql`update pangu.inodes set writer = null where name = 'left'`;
    await file.close();
  });

  it('goes through more files than one page holds', async () => {
    const before = await check();
    const [row] = await sql`select id, parent, chunk_bytes, replicas from pangu.inodes where name = 'one'`;
    await sql`
      insert into pangu.inodes (id, parent, name, type, state, chunk_bytes, replicas)
      select 'many-' || n, ${row!.parent}, 'many-' || n, 'file', 'closed', 65536, 3 from generate_series(1, 4500) n`;
    await sql`
      insert into pangu.chunks (id, file, index, length, state) select 'chunk-' || n, 'many-' || n, 0, 0, 'sealed' from generate_series(1, 4500) n`;
    await sql`insert into pangu.replicas (chunk, node) select 'chunk-' || n, 'n' || i from generate_series(1, 4500) n, generate_series(1, 3) i`;
    const after = await check();
    expect(after.files).toBe(before.files + 4_500);
    expect(after.chunks).toBe(before.chunks + 4_500);
    expect(after.clean).toBe(true);
  });
});

describe('the ledger', () => {
  let cluster: PanguCluster;
  let master: ServiceClient<MasterContract>;
  beforeAll(async () => {
    cluster = await startPanguCluster({ nodes: ['n1', 'n2', 'n3'].map((id) => ({ id, rack: 'r1' })) });
    master = cluster.cluster.kuafu.service(masterService, 'nuwa://test/pangu-master/');
  });
  afterAll(() => cluster?.stop());

  it('tells of a replica that a writer had to leave out, in the transaction that drops it', async () => {
    const bytes = randomBytes(3 * MIB);
    const file = await cluster.pangu.open('/cut', 'wx', { replicas: 3 });
    await file.write(bytes.subarray(0, MIB));
    await file.sync();
    const { chunk } = (await cluster.pangu.locate('/cut'))[0]!;
    await cluster.killChunkServer('n2');
    await file.write(bytes.subarray(MIB));
    await file.close();
    const { entries, more } = await master.ledger({ limit: 10 });
    expect(more).toBe(false);
    expect(entries).toEqual([
      expect.objectContaining({ kind: 'replicaMissed', chunk, node: 'n2', cause: expect.stringContaining('went on without it') }),
    ]);
    await cluster.startChunkServer('n2');
  });

  it('tells of a replica that is damaged, and of one whose file is gone, when their server says so', async () => {
    await cluster.pangu.writeFile('/hurt', randomBytes(MIB), { replicas: 3 });
    const { chunk } = (await cluster.pangu.locate('/hurt'))[0]!;
    const at = async (node: string): Promise<string> => (await cluster.chunkFiles(node)).find((path) => basename(path) === chunk)!;
    const file = await open(await at('n1'), constants.O_RDWR);
    await file.write(randomBytes(64), 0, 64, dataOffset(64 * MIB));
    await file.close();
    await rm(await at('n3'));
    await cluster.killChunkServer('n3');
    await cluster.startChunkServer('n3');
    const report = async (): Promise<string[]> => {
      await master.reportReplicas({ node: 'n1', lost: [], bad: [chunk] });
      await master.reportReplicas({ node: 'n3', lost: [chunk], bad: [] });
      return (await cluster.pangu.locate('/hurt'))[0]!.nodes;
    };
    await expect.poll(report).toEqual(['n2']);
    const { entries } = await master.ledger({ chunk, limit: 10 });
    expect(entries.map(({ kind, node, bytes }) => [kind, node, bytes])).toEqual([
      ['replicaLost', 'n3', MIB],
      ['replicaBad', 'n1', MIB],
    ]);
    expect((await master.ledger({ node: 'n3', kinds: ['replicaLost'], limit: 10 })).entries).toHaveLength(1);
    expect((await master.ledger({ sinceMs: Date.now() + 3_600_000, limit: 10 })).entries).toEqual([]);
    // The last one stays on the list whatever is said of it, and so does one that is there.
    await master.reportReplicas({ node: 'n2', lost: [chunk], bad: [chunk] });
    expect((await cluster.pangu.locate('/hurt'))[0]!.nodes).toEqual(['n2']);
    const [first] = (await master.ledger({ limit: 1 })).entries;
    expect((await master.ledger({ limit: 10, before: first!.id })).entries.every(({ id }) => id < first!.id)).toBe(true);
  });
});
