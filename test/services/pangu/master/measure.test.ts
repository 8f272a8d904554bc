import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDatabase } from '../../../../services/base/database.ts';
import { processRegistry } from '../../../../services/base/metrics.ts';
import { measure } from '../../../../services/pangu/master/background/measure.ts';
import { type PanguCluster, startPanguCluster } from '../../../helpers/pangu-cluster.ts';
import { parseMetrics, readingOf } from '../../../helpers/scrape.ts';

let cluster: PanguCluster;
let database: ReturnType<typeof openDatabase>;

beforeAll(async () => {
  cluster = await startPanguCluster();
  database = openDatabase(cluster.databaseUrl, { connectionsMax: 4 });
});
afterAll(async () => {
  await database?.close();
  await cluster?.stop();
});

const told = async () => parseMetrics(await processRegistry.metrics());
const figures = (nodes: readonly string[] = cluster.nodes) => measure(database.db, nodes);
const without = (...gone: string[]) => cluster.nodes.filter((node) => !gone.includes(node));
const text = Buffer.alloc(100_000, 'x');

describe('what a master says of the whole cluster', () => {
  test('counts files, their bytes, chunks by state and replicas by node', async () => {
    const before = await figures();
    await cluster.pangu.writeFile('/counted', text, { chunkBytes: 64 * 1024, replicas: 3 });
    const after = await figures();
    expect(after.files - before.files).toBe(1);
    expect(after.fileBytes - before.fileBytes).toBe(text.length);
    expect(after.chunksByState.sealed! - before.chunksByState.sealed!).toBe(2);
    const replicas = (counts: Record<string, number>) => Object.values(counts).reduce((sum, count) => sum + count, 0);
    expect(replicas(after.replicasByNode) - replicas(before.replicasByNode)).toBe(6);
    await cluster.pangu.rm('/counted');
    expect((await figures()).files).toBe(before.files);
  });

  test('counts a chunk as short while fewer of its replicas are on servers that are there than its file wants', async () => {
    expect(await figures()).toMatchObject({ underReplicated: 0, unavailable: 0 });
    await cluster.clientOn('n1').writeFile('/three', text, { replicas: 3 });
    const [{ replicas }] = (await database.db.execute(
      `select json_agg(r.node) as replicas from pangu.replicas r join pangu.chunks c on c.id = r.chunk join pangu.inodes i on i.id = c.file where i.name = 'three'`,
    )) as unknown as [{ replicas: string[] }];
    const spare = cluster.nodes.find((node) => !replicas.includes(node))!;
    expect(await figures(without(spare))).toMatchObject({ underReplicated: 0, unavailable: 0 });
    expect(await figures(without('n1'))).toMatchObject({ underReplicated: 1, unavailable: 0 });
    expect(await figures([spare])).toMatchObject({ underReplicated: 1, unavailable: 1 });
    expect(await figures([])).toMatchObject({ underReplicated: 1, unavailable: 1 });
  });

  test('does not count scratch files with one replica, nor what was removed', async () => {
    await cluster.clientOn('n1').writeFile('/scratch', text, { replicas: 1 });
    await cluster.pangu.rm('/three');
    expect(await figures([])).toMatchObject({ underReplicated: 0, unavailable: 0 });
  });
});

test('writing and reading raise the figures of the servers that carry it', async () => {
  const before = await told();
  await cluster.pangu.writeFile('/traffic', text, { replicas: 3 });
  expect(await cluster.pangu.readFile('/traffic')).toEqual(text);
  await expect(cluster.pangu.readFile('/not-there')).rejects.toThrow('ENOENT');
  const after = await told();
  const rise = (name: string, labels: Record<string, string> = {}) =>
    (readingOf(after, name, labels) ?? 0) - (readingOf(before, name, labels) ?? 0);
  expect(rise('feitian_pangu_written_bytes_total')).toBe(3 * text.length);
  // Twice where the first server was late and a second one was asked.
  expect([1, 2].map((times) => times * text.length)).toContain(rise('feitian_pangu_read_bytes_total'));
  expect(rise('feitian_pangu_chunk_operations_total', { operation: 'append', code: 'OK' })).toBe(3);
  expect(rise('feitian_pangu_operations_total', { operation: 'create', code: 'OK' })).toBe(1);
  expect(rise('feitian_pangu_operations_total', { code: 'ENOENT' })).toBeGreaterThanOrEqual(1);
});

test('chunk files are those on the disks, as they come and go', async () => {
  const onDisks = async () => (await Promise.all(cluster.nodes.map((node) => cluster.chunkFiles(node)))).flat().length;
  const counted = async () => readingOf(await told(), 'feitian_pangu_chunk_files');
  await cluster.pangu.writeFile('/files', text, { chunkBytes: 64 * 1024, replicas: 3 });
  await expect.poll(async () => (await counted()) === (await onDisks())).toBe(true);
  expect(await counted()).toBeGreaterThanOrEqual(6);
  const before = (await counted())!;
  await cluster.pangu.rm('/files');
  await expect.poll(counted, { timeout: 10_000 }).toBeLessThanOrEqual(before - 6);
  await expect.poll(async () => (await counted()) === (await onDisks())).toBe(true);
});

test('a chunk server that is gone shows without anybody asking', async () => {
  const there = async () => readingOf(await told(), 'feitian_pangu_chunk_servers', { state: 'active' });
  const short = async () => readingOf(await told(), 'feitian_pangu_chunks_under_replicated');
  await cluster.clientOn('n2').writeFile('/short', text, { replicas: 3 });
  expect(await there()).toBe(4);
  await cluster.killChunkServer('n2');
  await expect.poll(there, { timeout: 10_000 }).toBe(3);
  await expect.poll(short, { timeout: 15_000 }).toBeGreaterThan(0);
  await cluster.startChunkServer('n2');
  await expect.poll(short, { timeout: 15_000 }).toBe(0);
});
