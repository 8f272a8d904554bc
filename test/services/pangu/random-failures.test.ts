import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../services/base/random.ts';
import type { PanguClient, PanguFile } from '../../../services/pangu/contract.ts';
import { crc } from '../../../services/pangu/crc.ts';
import { type PanguCluster, startPanguCluster } from '../../helpers/pangu-cluster.ts';
import { startPanguWriter } from '../../helpers/pangu-writer.ts';
import { replicasOf } from '../../helpers/random-replicas.ts';

const KIB = 1024;
const CHUNK_BYTES = 64 * KIB;
const SIZE_MAX = 8 * CHUNK_BYTES;
const ALL_CHUNKS = Array.from({ length: SIZE_MAX / CHUNK_BYTES }, (_, i) => i);
const withCode = (code: string) => expect.objectContaining({ code });

describe('random files when processes are killed', () => {
  let cluster: PanguCluster;
  let pangu: PanguClient;
  beforeAll(async () => {
    cluster = await startPanguCluster({ processes: ['pangu-chunk'] });
    pangu = cluster.pangu;
  });
  afterAll(() => cluster?.stop());

  const seed = Number(process.env.FEITIAN_SEED ?? Math.floor(Math.random() * 1e9));
  it(`are what a buffer would be, whatever is written, cut, read and killed (seed ${seed})`, async () => {
    const random = seededRandom(seed);
    let model = Buffer.alloc(0);
    let file: PanguFile = await pangu.open('/fsx', 'wx', { kind: 'random', chunkBytes: CHUNK_BYTES });
    let down: string | undefined;
    const check = (found: Buffer, from: number, length: number): void => {
      const expected = model.subarray(from, from + length);
      if (found.equals(expected)) return;
      const at = found.findIndex((byte, i) => byte !== expected[i]);
      throw new Error(`${found.length} bytes read at ${from}, ${expected.length} expected, and they differ at ${at}`);
    };
    for (let step = 0; step < 90; step++) {
      if (step === 30) {
        down = cluster.nodes[random.int(cluster.nodes.length)]!;
        await cluster.killChunkServer(down);
      } else if (step === 60) {
        await cluster.startChunkServer(down!);
        down = undefined;
      }
      const dice = random.next();
      if (dice < 0.5) {
        // Several at once, which may overlap: they come out in the order in which they were asked for.
        const writes = Array.from({ length: 1 + random.int(4) }, () => {
          const bytes = Buffer.alloc(1 + random.int(40 * KIB), Buffer.from(`${step} ${random.next()}`));
          return { position: random.int(SIZE_MAX - bytes.length), bytes };
        });
        await Promise.all(writes.map(({ position, bytes }) => file.pwrite(position, bytes)));
        for (const { position, bytes } of writes) {
          if (position + bytes.length > model.length) model = Buffer.concat([model, Buffer.alloc(position + bytes.length - model.length)]);
          bytes.copy(model, position);
        }
      } else if (dice < 0.6) {
        const length = random.int(SIZE_MAX);
        await file.truncate(length);
        model = Buffer.concat([model.subarray(0, length), Buffer.alloc(Math.max(0, length - model.length))]);
      } else if (dice < 0.85) {
        const from = random.int(SIZE_MAX);
        const length = random.int(150 * KIB);
        check(await file.read(from, length), from, length);
      } else if (dice < 0.9) {
        await file.sync();
        const bytes = await pangu.readFile('/fsx');
        check(bytes, 0, Number.MAX_SAFE_INTEGER);
      } else if (dice < 0.95) {
        expect((await file.close()).size).toBe(model.length);
        file = await pangu.open('/fsx', 'r+');
      }
    }
    check(await pangu.readFile('/fsx').then(() => file.read(0, SIZE_MAX)), 0, SIZE_MAX);
    // What was left out has been made again, while the file was open.
    const counts = async () => (await pangu.locate('/fsx')).map(({ nodes }) => nodes.length);
    await expect.poll(counts, { timeout: 20_000 }).toEqual((await counts()).map(() => 3));
    await file.close();
    check(await pangu.readFile('/fsx'), 0, SIZE_MAX);
    for (const digests of await replicasOf(cluster).digests('/fsx', ALL_CHUNKS)) expect(new Set(digests).size).toBe(1);
  }, 60_000);

  it('are made equal on all replicas when their writer was killed in mid-write, and what it sent last is refused when it comes late', async () => {
    const writer = await startPanguWriter(cluster.nuwaAddress);
    const told = { path: '/halfway' };
    await writer.tell({ ...told, what: 'open', mode: 'wx', options: { kind: 'random', chunkBytes: CHUNK_BYTES } });
    await writer.tell({ ...told, what: 'pwrite', position: 0, text: 'acknowledged' });
    await writer.tell({ ...told, what: 'pwrite', position: 100_000, text: 'at the end' });
    await expect(pangu.open('/halfway', 'r+')).rejects.toEqual(withCode('EBUSY'));
    await writer.kill();
    // What a writer leaves that dies while it sends to three servers.
    const { places, serverAt, digests } = replicasOf(cluster);
    const [before] = await places('/halfway', [0]);
    const { chunk, version, replicas } = before!;
    const bytes = Buffer.from('under way');
    const late = ({ node, address }: { node: string; address?: string }) =>
      serverAt(address!).randomWrite({ node, chunk, version, offset: 5_000, crc: crc(bytes), durable: true }, { attachment: bytes });
    await late(replicas[0]!);
    expect(new Set((await digests('/halfway', [0]))[0]).size).toBe(2);

    await expect.poll(async () => (await pangu.stat('/halfway')).state, { timeout: 15_000 }).toBe('closed');
    const [after] = await places('/halfway', [0]);
    expect(after!.version).toBeGreaterThan(version);
    expect(after!.replicas.length).toBe(3);
    for (const each of await digests('/halfway', [0, 1])) expect(new Set(each).size).toBe(1);
    await expect(late(replicas[1]!)).rejects.toEqual(withCode('StaleVersion'));
    const file = await pangu.open('/halfway', 'r+');
    expect((await file.read(0, 12)).toString()).toBe('acknowledged');
    // It was acknowledged, though no master had heard how long the file was.
    expect((await pangu.stat('/halfway')).size).toBe(100_010);
    expect((await file.read(100_000, 100)).toString()).toBe('at the end');
    await file.close();
  }, 30_000);

  it('keep all that was acknowledged when every chunk server is killed, and are written on when they are back', async () => {
    const file = await pangu.open('/all', 'wx', { kind: 'random', chunkBytes: CHUNK_BYTES, patienceMs: 20_000 });
    const model = Buffer.alloc(2 * CHUNK_BYTES);
    const writes = Array.from({ length: 60 }, (_, i) => ({
      position: (i * 7_919) % (model.length - 3_000),
      bytes: Buffer.alloc(3_000, `${i}.`),
    }));
    const write = async (from: number, to: number): Promise<void> => {
      for (const { position, bytes } of writes.slice(from, to)) {
        await file.pwrite(position, bytes);
        bytes.copy(model, position);
      }
    };
    await write(0, 20);
    const going = write(20, 60); // the servers die under it
    await Promise.all(cluster.nodes.map((node) => cluster.killChunkServer(node)));
    await Promise.all(cluster.nodes.map((node) => cluster.startChunkServer(node)));
    await going;
    const { size } = await file.close();
    const expected = model.subarray(0, size);
    expect((await pangu.readFile('/all')).equals(expected)).toBe(true);
    for (const digests of await replicasOf(cluster).digests('/all', [0, 1])) expect(new Set(digests).size).toBe(1);
  }, 40_000);

  it('never read a replica that missed a write, also by those who knew of it before', async () => {
    const file = await pangu.open('/missed', 'wx', { kind: 'random', chunkBytes: CHUNK_BYTES, patienceMs: 500 });
    await file.pwrite(0, Buffer.from('old'));
    await file.flush();
    const reader = await pangu.open('/missed', 'r');
    expect((await reader.read(0, 3)).toString()).toBe('old');
    const { places } = replicasOf(cluster);
    const [before] = await places('/missed', [0]);
    const { node } = before!.replicas[0]!;
    // It lives, has the old bytes, and answers again as soon as it may.
    process.kill(cluster.pids.get(node)!, 'SIGSTOP');
    await file.pwrite(0, Buffer.from('new'));
    process.kill(cluster.pids.get(node)!, 'SIGCONT');
    for (let i = 0; i < 20; i++) expect((await reader.read(0, 3)).toString()).toBe('new');
    const [after] = await places('/missed', [0]);
    expect(after!.version).toBeGreaterThan(before!.version);
    expect(after!.replicas.map((replica) => replica.node)).not.toContain(node);
    await file.close();
  }, 30_000);
});
