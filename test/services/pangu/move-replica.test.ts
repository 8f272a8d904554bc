import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ServiceClient } from '../../../services/kuafu/contract.ts';
import type { PanguClient } from '../../../services/pangu/contract.ts';
import { dataOffset } from '../../../services/pangu/core/chunk-format.ts';
import { type MasterContract, masterService } from '../../../services/pangu/master-contract.ts';
import { type PanguCluster, startPanguCluster } from '../../helpers/pangu-cluster.ts';

const MIB = 1024 * 1024;
const PATIENT = { timeoutMs: 60_000 };

let cluster: PanguCluster;
let pangu: PanguClient;
let master: ServiceClient<MasterContract>;
let sql: postgres.Sql;

async function openCluster(options: Parameters<typeof startPanguCluster>[0]): Promise<void> {
  cluster = await startPanguCluster(options);
  pangu = cluster.pangu;
  master = cluster.cluster.kuafu.service(masterService, 'nuwa://test/pangu-master/');
  sql = postgres(cluster.databaseUrl, { max: 2, onnotice: () => {} });
}
async function closeCluster(): Promise<void> {
  await sql?.end();
  await cluster?.stop();
}

const rackOf = (node: string): string => (node === 'n1' || node === 'n2' ? 'r1' : 'r2');
const onlyChunk = async (path: string): Promise<{ chunk: string; nodes: string[] }> => {
  const chunks = await pangu.locate(path);
  expect(chunks).toHaveLength(1);
  return chunks[0]!;
};
const others = (nodes: readonly string[]): string[] => cluster.nodes.filter((node) => !nodes.includes(node));
const hasFile = async (node: string, chunk: string): Promise<boolean> =>
  (await cluster.chunkFiles(node)).some((path) => basename(path) === chunk);
/** Each file on a disk is one of a replica, and each replica has its file: nothing is left over. */
async function expectTidy(): Promise<void> {
  const [left] = await sql`select (select count(*) from pangu.copies) + (select count(*) from pangu.garbage) as count`;
  expect(Number(left!.count)).toBe(0);
  const rows = (await sql`select node || ' ' || chunk as at from pangu.replicas`).map(({ at }) => at as string);
  const files = await Promise.all(
    cluster.nodes.map(async (node) => (await cluster.chunkFiles(node)).map((path) => `${node} ${basename(path)}`)),
  );
  expect(files.flat().sort()).toEqual(rows.sort());
}
const tidy = { timeout: 20_000, interval: 100 };

describe('a replica', () => {
  beforeAll(() => openCluster({}));
  afterAll(closeCluster);

  it('moves to a node that has none, with racks as different as they were, and its old file goes', async () => {
    const bytes = randomBytes(5 * MIB + 17);
    await pangu.writeFile('/moved', bytes, { replicas: 2 });
    const { chunk, nodes } = await onlyChunk('/moved');
    const [from, stays] = nodes as [string, string];
    const moved = await master.moveReplica({ chunk, from });
    expect(moved).toMatchObject({ outcome: 'done', bytes: bytes.length });
    const now = (await onlyChunk('/moved')).nodes;
    expect(now).toHaveLength(2);
    expect(now).toContain(stays);
    expect(now).toContain(moved.node);
    expect(moved.node).not.toBe(from);
    expect(rackOf(moved.node!)).not.toBe(rackOf(stays));
    expect((await pangu.readFile('/moved')).equals(bytes)).toBe(true);
    await expect.poll(() => hasFile(from, chunk), tidy).toBe(false);
    // What was moved is on the disk of its new node, and verifies there.
    await cluster.killChunkServer(stays);
    expect((await pangu.readFile('/moved')).equals(bytes)).toBe(true);
    await cluster.startChunkServer(stays);
    await expect.poll(() => expectTidy().then(() => true, String), tidy).toBe(true);
  });

  it('moves to the node that was asked for, back again, and not where one is', async () => {
    await pangu.writeFile('/asked', randomBytes(100_000), { replicas: 2 });
    const { chunk, nodes } = await onlyChunk('/asked');
    const [from, stays] = nodes as [string, string];
    const [to] = others(nodes) as [string];
    expect(await master.moveReplica({ chunk, from, to })).toMatchObject({ outcome: 'done', node: to });
    expect(await master.moveReplica({ chunk, from: to, to: stays })).toMatchObject({ outcome: 'noTarget' });
    await expect.poll(() => hasFile(from, chunk), tidy).toBe(false);
    await expect.poll(() => master.moveReplica({ chunk, from: to, to: from }), tidy).toMatchObject({ outcome: 'done', node: from });
    expect((await onlyChunk('/asked')).nodes.sort()).toEqual([...nodes].sort());
    await expect.poll(() => expectTidy().then(() => true, String), tidy).toBe(true);
  });

  it('that is not there needs no moving', async () => {
    await pangu.writeFile('/elsewhere', randomBytes(1_000), { replicas: 1 });
    const { chunk, nodes } = await onlyChunk('/elsewhere');
    expect(await master.moveReplica({ chunk, from: others(nodes)[0]! })).toEqual({ outcome: 'gone', bytes: 0 });
    expect(await master.moveReplica({ chunk: 'c-nothing', from: 'n1' })).toEqual({ outcome: 'gone', bytes: 0 });
  });

  it('of a chunk that is written to stays where it is', async () => {
    const file = await pangu.open('/growing', 'wx', { replicas: 1 });
    await file.write(randomBytes(1_000));
    await file.sync();
    const { chunk, nodes } = await onlyChunk('/growing');
    expect(await master.moveReplica({ chunk, from: nodes[0]!, seal: true })).toMatchObject({ outcome: 'open' });
    await file.close();
    expect(await master.moveReplica({ chunk, from: nodes[0]! })).toMatchObject({ outcome: 'done' });
  });

  it('is found by a reader who opened its file before, also when it is the only one', async () => {
    const bytes = randomBytes(3 * MIB);
    await pangu.writeFile('/read-on', bytes, { replicas: 1, sync: false });
    const { chunk, nodes } = await onlyChunk('/read-on');
    const reader = await pangu.open('/read-on', 'r');
    expect(await master.moveReplica({ chunk, from: nodes[0]! })).toMatchObject({ outcome: 'done' });
    await expect.poll(() => hasFile(nodes[0]!, chunk), tidy).toBe(false);
    expect((await reader.read(0, bytes.length)).equals(bytes)).toBe(true);
  });

  it('is moved once when two ask at the same time, and both hear that it is done', async () => {
    await pangu.writeFile('/twice', randomBytes(8 * MIB), { replicas: 2 });
    const { chunk, nodes } = await onlyChunk('/twice');
    const outcomes = await Promise.all([1, 2, 3].map(() => master.moveReplica({ chunk, from: nodes[0]! })));
    expect(outcomes.map(({ outcome }) => outcome).every((outcome) => outcome === 'done' || outcome === 'gone')).toBe(true);
    expect(outcomes.some(({ outcome }) => outcome === 'done')).toBe(true);
    expect((await onlyChunk('/twice')).nodes).toHaveLength(2);
    await expect.poll(() => expectTidy().then(() => true, String), tidy).toBe(true);
  });

  it('is not lost when replicas of one chunk are moved from several nodes at once, by several that ask', async () => {
    const paths = Array.from({ length: 8 }, (_, i) => `/crossing-${i}`);
    for (const path of paths) await pangu.writeFile(path, randomBytes(200_000), { replicas: 2 });
    for (let round = 0; round < 6; round++) {
      const moves = paths.map(async (path) => {
        const { chunk, nodes } = await onlyChunk(path);
        return Promise.all([...nodes, ...nodes, ...nodes].map((from) => master.moveReplica({ chunk, from })));
      });
      const reasons = (await Promise.all(moves)).flat().flatMap(({ reason }) => reason ?? []);
      expect(reasons.filter((reason) => /duplicate key|Failed query/.test(reason))).toEqual([]);
    }
    await expect.poll(() => expectTidy().then(() => true, String), tidy).toBe(true);
    for (const path of paths) {
      expect((await onlyChunk(path)).nodes).toHaveLength(2);
      expect((await pangu.readFile(path)).length).toBe(200_000);
    }
  }, 60_000);

  it('is neither refused nor lost because of a copy that was noted for a node which has the chunk by now', async () => {
    let noted = 0;
    for (const until of [sql`now() + interval '1 minute'`, sql`now() - interval '1 minute'`]) {
      const path = `/noted-${++noted}`;
      await pangu.writeFile(path, randomBytes(100_000), { replicas: 2 });
      const { chunk, nodes } = await onlyChunk(path);
      await sql`insert into pangu.copies (chunk, node, until) values (${chunk}, ${nodes[1]!}, ${until})`;
      expect(await master.moveReplica({ chunk, from: nodes[0]! })).toMatchObject({ outcome: 'done' });
      await expect.poll(() => expectTidy().then(() => true, String), tidy).toBe(true);
      expect((await onlyChunk(path)).nodes).toContain(nodes[1]);
      expect(await hasFile(nodes[1]!, chunk)).toBe(true);
    }
  });

  it('leaves nothing behind when its file is removed while it moves', async () => {
    for (let round = 0; round < 5; round++) {
      await pangu.writeFile('/removed', randomBytes(4 * MIB), { replicas: 3, chunkBytes: MIB });
      const chunks = await pangu.locate('/removed');
      const moves = Promise.all(chunks.map(({ chunk, nodes }) => master.moveReplica({ chunk, from: nodes[0]! })));
      await pangu.unlink('/removed');
      await moves;
    }
    await expect.poll(() => expectTidy().then(() => true, String), tidy).toBe(true);
  });

  it('is made once more for a chunk that has too few, and not for one that has enough', async () => {
    const bytes = randomBytes(2 * MIB);
    await pangu.writeFile('/short', bytes, { replicas: 3 });
    const { chunk, nodes } = await onlyChunk('/short');
    expect(await master.underReplicated({ limit: 10 })).toEqual({ chunks: [], more: false });
    await sql`with gone as (delete from pangu.replicas where chunk = ${chunk} and node = ${nodes[0]!} returning chunk, node)
      insert into pangu.garbage select chunk, node from gone`;
    expect(await master.underReplicated({ limit: 10 })).toEqual({ chunks: [chunk], more: false });
    expect(await master.replicate({ chunk })).toMatchObject({ outcome: 'done' });
    expect(await master.replicate({ chunk })).toMatchObject({ outcome: 'gone' });
    expect((await onlyChunk('/short')).nodes).toHaveLength(3);
    expect((await pangu.readFile('/short')).equals(bytes)).toBe(true);
  });

  it('that is damaged is not copied: it is reported, and the move reads another', async () => {
    const bytes = randomBytes(2 * MIB);
    await pangu.writeFile('/damaged', bytes, { replicas: 2 });
    const { chunk, nodes } = await onlyChunk('/damaged');
    await damage(nodes[0]!, chunk, MIB);
    expect(await master.moveReplica({ chunk, from: nodes[0]! })).toMatchObject({ outcome: 'done' });
    const now = (await onlyChunk('/damaged')).nodes;
    expect(now).toHaveLength(2);
    expect(now).not.toContain(nodes[0]);
    expect((await pangu.readFile('/damaged')).equals(bytes)).toBe(true);
    await expect.poll(() => expectTidy().then(() => true, String), tidy).toBe(true);
  });

  it('that is damaged and the last one stays where it is, and the reason is told', async () => {
    await pangu.writeFile('/last', randomBytes(2 * MIB), { replicas: 1 });
    const { chunk, nodes } = await onlyChunk('/last');
    await damage(nodes[0]!, chunk, MIB);
    expect(await master.moveReplica({ chunk, from: nodes[0]! })).toMatchObject({
      outcome: 'failed',
      reason: expect.stringContaining('BadChecksum'),
    });
    expect((await onlyChunk('/last')).nodes).toEqual(nodes);
    await expect.poll(() => expectTidy().then(() => true, String), tidy).toBe(true);
    await pangu.unlink('/last');
  });
});

async function damage(node: string, chunk: string, offset: number): Promise<void> {
  const path = (await cluster.chunkFiles(node)).find((file) => basename(file) === chunk)!;
  const file = await open(path, constants.O_RDWR);
  await file.write(randomBytes(64), 0, 64, dataOffset(64 * MIB) + offset);
  await file.close();
}

describe('when processes are killed while a replica moves', () => {
  const bytes = randomBytes(48 * MIB);
  let files = 0;
  beforeAll(() => openCluster({ processes: ['pangu-chunk', 'pangu-master'] }));
  afterAll(closeCluster);

  /** Begins a move, and acts when the first bytes of it are on the target's disk. */
  async function moveAnd(act: (at: { from: string; to: string; stays: string }) => Promise<void>, replicas = 2) {
    const path = `/killed-${++files}`;
    await pangu.writeFile(path, bytes, { replicas });
    const { chunk, nodes } = await onlyChunk(path);
    const [from, stays = ''] = nodes as [string, string];
    const [to] = others(nodes) as [string];
    const moving = master.moveReplica({ chunk, from, to }, PATIENT);
    moving.catch(() => {});
    await expect.poll(() => copiedBytes(to, chunk), { timeout: 10_000, interval: 1 }).toBeGreaterThan(0);
    await act({ from, to, stays });
    const outcome = await moving.catch((error) => error as Error);
    return { path, chunk, from, to, stays, outcome };
  }
  const copiedBytes = async (node: string, chunk: string): Promise<number> => {
    const path = (await cluster.chunkFiles(node)).find((file) => basename(file) === chunk);
    return path === undefined ? 0 : (await stat(path)).size;
  };
  const restarted = (node: string) => async () => {
    await cluster.killChunkServer(node);
    await cluster.startChunkServer(node);
  };

  it('the source: another replica is read', async () => {
    const { path, outcome, from } = await moveAnd(({ from }) => cluster.killChunkServer(from));
    expect(outcome).toMatchObject({ outcome: 'done' });
    expect((await onlyChunk(path)).nodes).not.toContain(from);
    expect((await pangu.readFile(path)).equals(bytes)).toBe(true);
    await cluster.startChunkServer(from);
    await expect.poll(() => expectTidy().then(() => true, String), tidy).toBe(true);
  });

  it('the target: the move fails or is done, and no replica is lost', async () => {
    const { path, chunk, from } = await moveAnd(({ to }) => restarted(to)());
    // It may have come back elsewhere, at another port: then it is asked again.
    await expect
      .poll(() => master.moveReplica({ chunk, from }, PATIENT), { timeout: 60_000 })
      .toMatchObject({ outcome: expect.stringMatching(/done|gone/) });
    const now = (await onlyChunk(path)).nodes;
    expect(now).toHaveLength(2);
    expect(now).not.toContain(from);
    expect((await pangu.readFile(path)).equals(bytes)).toBe(true);
    await expect.poll(() => expectTidy().then(() => true, String), { ...tidy, timeout: 60_000 }).toBe(true);
  }, 120_000);

  it('the master: whoever is asked next goes on with what it began', async () => {
    const { path, chunk, from, to, outcome } = await moveAnd(async () => {
      await cluster.killMaster();
      expect(await sql`select node from pangu.copies`).toHaveLength(1);
      await cluster.startMaster();
    });
    // The call is sent again by itself, to the master that took over.
    expect(outcome).toMatchObject({ outcome: 'done', node: to });
    expect(await master.moveReplica({ chunk, from }, PATIENT)).toMatchObject({ outcome: 'gone' });
    expect((await onlyChunk(path)).nodes).toContain(to);
    expect((await pangu.readFile(path)).equals(bytes)).toBe(true);
    await expect.poll(() => expectTidy().then(() => true, String), tidy).toBe(true);
  });
});
