import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PanguClient } from '../../../services/pangu/contract.ts';
import { masterService } from '../../../services/pangu/master-contract.ts';
import { FaultyDisks } from '../../helpers/faulty-disks.ts';
import { type PanguCluster, startPanguCluster } from '../../helpers/pangu-cluster.ts';
import { mountSmallDisk, unmountDisk, whyNoMounts } from '../../helpers/small-disks.ts';

const MIB = 1024 * 1024;

const noMounts = whyNoMounts();
if (noMounts) console.log(`the tests of several disks are skipped: ${noMounts}`);

/** Three nodes of a rack each. n1 has three disks of 40 MiB, the others one of 120. */
describe.skipIf(noMounts)('a cluster whose servers have several disks', () => {
  const root = mkdtempSync(join(tmpdir(), 'feitian-test-several-disks-'));
  const disk = (name: string): string => join(root, name);
  const calls = new FaultyDisks();
  const disks = { n1: ['a', 'b', 'c'], n2: ['d'], n3: ['e'] };
  const mounted = Object.values(disks).flat();
  let cluster: PanguCluster;
  let pangu: PanguClient;
  const files = new Map<string, Buffer>();

  beforeAll(async () => {
    for (const name of mounted) mountSmallDisk(disk(name), name < 'd' ? 40 : 120);
    cluster = await startPanguCluster({
      nodes: Object.entries(disks).map(([id, names]) => ({ id, rack: id, dataDir: disk(`data-${id}`), disks: names.map(disk) })),
      control: { watchMs: 50, mendMs: 200 },
      chunkServer: { calls, report: { firstMs: 100, pauseMs: 0 } },
    });
    pangu = cluster.pangu;
    for (let i = 0; i < 12; i++) {
      files.set(`/f${i}`, randomBytes(MIB + i));
      await pangu.writeFile(`/f${i}`, files.get(`/f${i}`)!, { chunkBytes: 2 * MIB, replicas: 3 });
    }
  });
  afterAll(async () => {
    await cluster?.stop();
    for (const name of mounted) unmountDisk(disk(name));
    rmSync(root, { recursive: true, force: true });
  });

  const chunksOn = (name: string): string[] => readdirSync(join(disk(name), 'chunks'));
  const statesOfN1 = async (): Promise<Record<string, string>> =>
    Object.fromEntries((await pangu.space())[0]!.disks.map(({ path, state }) => [path.slice(root.length + 1), state]));
  const whole = async (): Promise<boolean> =>
    (await Promise.all([...files.keys()].map((path) => pangu.locate(path)))).flat().every(({ nodes }) => nodes.length === 3);
  const readAll = async (): Promise<void> => {
    for (const [path, bytes] of files) expect((await pangu.readFile(path)).equals(bytes)).toBe(true);
  };

  it('tells each disk, and counts them together', async () => {
    const [n1, n2] = await pangu.space();
    expect(n1).toMatchObject({ node: 'n1', machine: 'n1', totalBytes: 120 * MIB, up: true });
    expect(n1!.disks.map(({ state, totalBytes }) => [state, totalBytes])).toEqual(Array(3).fill(['healthy', 40 * MIB]));
    expect(n2!.disks).toHaveLength(1);
    expect(chunksOn('a').length + chunksOn('b').length + chunksOn('c').length).toBe(files.size);
    await readAll();
  });

  it('makes the chunks of a disk that vanished again, on what is left of the same server', async () => {
    const lost = chunksOn('b').length;
    expect(lost).toBeGreaterThan(0);
    unmountDisk(disk('b'));
    mounted.splice(mounted.indexOf('b'), 1);
    // Somebody writes there and finds out.
    for (let i = 0; (await statesOfN1()).b !== 'failed' && i < 40; i++) {
      await pangu.writeFile('/finds-out', randomBytes(1000), { mode: 'w', preferNode: 'n1', chunkBytes: 2 * MIB, replicas: 1 });
    }
    await expect.poll(statesOfN1, { timeout: 5_000 }).toEqual({ a: 'healthy', b: 'failed', c: 'healthy' });
    await readAll();
    const onN1 = (): number => chunksOn('a').length + chunksOn('c').length;
    await expect.poll(onN1, { timeout: 20_000 }).toBeGreaterThanOrEqual(files.size);
    await expect.poll(whole, { timeout: 20_000 }).toBe(true);
    await readAll();
  });

  it('loses nothing that was acknowledged when a disk fails under a writer, who goes on at once', async () => {
    const bytes = randomBytes(6 * MIB);
    const file = await pangu.open('/written', 'wx', { preferNode: 'n1', chunkBytes: 8 * MIB, replicas: 3 });
    await file.write(bytes.subarray(0, 2 * MIB));
    await file.sync();
    const { chunk } = (await pangu.locate('/written'))[0]!;
    const failing = chunksOn('a').includes(chunk) ? 'a' : 'c';
    calls.fail(disk(failing), 'fdatasync');
    await file.write(bytes.subarray(2 * MIB, 4 * MIB));
    await file.sync();
    await file.write(bytes.subarray(4 * MIB));
    await file.close();
    files.set('/written', bytes);
    await readAll();
    await expect.poll(statesOfN1, { timeout: 5_000 }).toMatchObject({ [failing]: 'failed' });
    await expect.poll(whole, { timeout: 20_000 }).toBe(true);
    await readAll();
  });

  it('never drops the last replica of a chunk, whatever its server says', async () => {
    await pangu.writeFile('/only', randomBytes(1000), { replicas: 1, preferNode: 'n1', chunkBytes: 2 * MIB });
    const { chunk } = (await pangu.locate('/only'))[0]!;
    const master = cluster.cluster.kuafu.service(masterService, 'nuwa://test/pangu-master/');
    const shared = (await pangu.locate('/f0'))[0]!;
    await master.reportReplicas({ node: 'n1', lost: [chunk, shared.chunk, 'c-unknown'], bad: [] });
    expect((await pangu.locate('/only'))[0]!.nodes).toEqual(['n1']);
    await expect.poll(whole, { timeout: 20_000 }).toBe(true);
  });

  it('reports a chunk whose file vanished, after the next start', async () => {
    const path = '/f1';
    const { chunk } = (await pangu.locate(path))[0]!;
    rmSync(join(disk('d'), 'chunks', chunk));
    await cluster.killChunkServer('n2');
    await cluster.startChunkServer('n2');
    await expect.poll(() => chunksOn('d').includes(chunk), { timeout: 20_000 }).toBe(true);
    await expect.poll(whole, { timeout: 20_000 }).toBe(true);
  });
});
