import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type KuafuClient, KuafuError } from '../../../services/kuafu/contract.ts';
import { createPangu } from '../../../services/pangu/client.ts';
import { BLOCK_BYTES, type PanguClient } from '../../../services/pangu/contract.ts';
import { type PanguCluster, startPanguCluster } from '../../helpers/pangu-cluster.ts';
import { startPanguWriter } from '../../helpers/pangu-writer.ts';

const withCode = (code: string) => expect.objectContaining({ code });

let cluster: PanguCluster;
let pangu: PanguClient;
beforeAll(async () => {
  cluster = await startPanguCluster({ processes: ['pangu-chunk', 'pangu-master'] });
  pangu = cluster.pangu;
});
afterAll(() => cluster?.stop());

/** Records `<writer>:<n>|`, padded; several of a writer under way at once. */
class Load {
  readonly acknowledged = new Map<string, number>();
  readonly failed: unknown[] = [];
  #stopped = false;
  readonly #done: Promise<void>[];

  constructor(path: string, { writers = 4, recordBytes = 100, options = {} } = {}) {
    this.#done = Array.from({ length: writers }, (_, i) => this.#write(path, `w${i}`, recordBytes, options));
  }

  async #write(path: string, name: string, recordBytes: number, options: object): Promise<void> {
    const log = await cluster.clientOn('n1').openLog(path, options);
    const lane = async (lane: number): Promise<void> => {
      for (let n = 0; !this.#stopped; n++) {
        const record = `${name}.${lane}:${n}`.padEnd(recordBytes - 1, '.').concat('\n');
        try {
          const { offset } = await log.append(record);
          this.acknowledged.set(record, offset);
        } catch (error) {
          this.failed.push(error);
          return;
        }
      }
    };
    await Promise.all([lane(0), lane(1), lane(2)]);
    await log.close();
  }

  async reaches(records: number): Promise<void> {
    await expect.poll(() => this.acknowledged.size, { timeout: 20_000, interval: 10 }).toBeGreaterThan(records);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#done);
  }
}

/** Every acknowledged record once and where it was said to be; none twice; those of a lane in order. */
async function checkLog(path: string, { acknowledged, failed }: Load): Promise<void> {
  expect(failed).toEqual([]);
  const bytes = await pangu.readFile(path);
  for (const [record, offset] of acknowledged) expect(bytes.toString('latin1', offset, offset + record.length)).toBe(record);
  const records = bytes.toString('latin1').split('\n').slice(0, -1);
  expect(new Set(records).size).toBe(records.length);
  expect(records.length).toBe(acknowledged.size);
  const last = new Map<string, number>();
  for (const record of records) {
    const [, lane, n] = /^(\S+):(\d+)\.*$/.exec(record)!;
    expect(Number(n)).toBe((last.get(lane!) ?? -1) + 1);
    last.set(lane!, Number(n));
  }
}

const openChunk = async (path: string): Promise<string[]> => (await pangu.locate(path)).at(-1)!.nodes;

describe('a log', () => {
  it('takes whole records from many writers at once, each once, and goes on in another chunk when one is full', async () => {
    const load = new Load('/logs/many', { recordBytes: 1000, options: { parents: true, chunkBytes: BLOCK_BYTES * 2 } });
    await load.reaches(1_000);
    await load.stop();
    await checkLog('/logs/many', load);
    expect((await pangu.locate('/logs/many')).length).toBeGreaterThan(6);
    const stat = await pangu.stat('/logs/many');
    expect(stat).toMatchObject({ kind: 'log', chunkBytes: BLOCK_BYTES * 2 });
  }, 30_000);

  it('is seen by readers as soon as a record is acknowledged, and followed', async () => {
    const log = await pangu.openLog('/followed-log', { chunkBytes: BLOCK_BYTES });
    const ending = new AbortController();
    const stream = pangu.createReadStream('/followed-log', { follow: true, signal: ending.signal });
    let seen = '';
    stream.on('data', (piece) => {
      seen += piece;
    });
    let all = '';
    for (let i = 0; i < 20; i++) {
      const record = `${i} `.repeat(3000);
      expect(await log.append(record)).toEqual({ offset: all.length });
      all += record;
      expect((await pangu.readFile('/followed-log')).toString()).toBe(all);
    }
    await expect.poll(() => seen === all, { timeout: 10_000 }).toBe(true);
    const ended = once(stream, 'end');
    ending.abort();
    await ended;
    await log.close();
    await expect(log.append('x')).rejects.toEqual(withCode('EBADF'));
  });

  it('takes one record after the other', async () => {
    const log = await pangu.openLog('/one-by-one');
    for (let i = 0; i < 50; i++) expect(await log.append('0123456789')).toEqual({ offset: i * 10 });
    expect(await pangu.openLog('/one-by-one').then((other) => other.append('x'))).toEqual({ offset: 500 });
  });

  it('gives the same answer for a record whose reply was lost, also when its chunk has ended since', async () => {
    let lose = 0;
    // Carried out, and its reply lost.
    const losing: KuafuClient = {
      ...cluster.cluster.kuafu,
      service: ((contract: never, address: string) => {
        const service = cluster.cluster.kuafu.service(contract, address) as Record<string, (...parameters: unknown[]) => Promise<unknown>>;
        if ((contract as { name: string }).name !== 'pangu-chunk') return service;
        const appendRecords = async (...parameters: unknown[]): Promise<unknown> => {
          const reply = await service.appendRecords!(...parameters);
          if (++lose % 3 === 0) throw new KuafuError('Unavailable', 'the reply was lost');
          return reply;
        };
        return new Proxy(service, { get: (target, name: string) => (name === 'appendRecords' ? appendRecords : target[name]) });
      }) as KuafuClient['service'],
    };
    const through = createPangu({ cluster: 'test', kuafu: losing });
    const logs = await Promise.all([1, 2].map(() => through.openLog('/lost-replies')));
    const places = await Promise.all(
      logs.flatMap((log, writer) =>
        Array.from({ length: 20 }, (_, i) => log.append(`${writer}.${i};`).then(({ offset }) => ({ writer, i, offset }))),
      ),
    );
    for (const log of logs)
      for (let i = 20; i < 40; i++) places.push({ writer: logs.indexOf(log), i, ...(await log.append(`${logs.indexOf(log)}.${i};`)) });
    const all = (await pangu.readFile('/lost-replies')).toString();
    for (const { writer, i, offset } of places) expect(all.slice(offset)).toMatch(new RegExp(`^${writer}\\.${i};`));
    expect(all.split(';')).toHaveLength(81);
    expect((await pangu.locate('/lost-replies')).length).toBeGreaterThan(5);
  });

  it('refuses what is no record and what is no log', async () => {
    const log = await pangu.openLog('/refusing', { chunkBytes: BLOCK_BYTES });
    await expect(log.append('')).rejects.toEqual(withCode('EINVAL'));
    await expect(log.append(Buffer.alloc(BLOCK_BYTES + 1))).rejects.toEqual(withCode('EINVAL'));
    await log.append(Buffer.alloc(BLOCK_BYTES));
    await pangu.writeFile('/no-log', 'x');
    await expect(pangu.openLog('/no-log')).rejects.toEqual(withCode('EBADF'));
    await expect(pangu.openLog('/')).rejects.toMatchObject({ code: expect.stringMatching(/EISDIR|EINVAL/) });
    await expect(pangu.openLog('/none/x')).rejects.toEqual(withCode('ENOENT'));
    await expect(pangu.open('/refusing', 'a')).rejects.toEqual(withCode('EBADF'));
    await pangu.unlink('/refusing');
    await expect(log.append(Buffer.alloc(BLOCK_BYTES))).rejects.toEqual(withCode('ENOENT'));
  });
});

describe('a log whose servers are killed', () => {
  it('loses no record and has none twice: its primary, another replica, the master, all of them', async () => {
    const load = new Load('/killed-log');
    await load.reaches(100);
    const restart = async (...nodes: string[]): Promise<void> => {
      await Promise.all(nodes.map((node) => cluster.killChunkServer(node)));
      const before = load.acknowledged.size;
      if (nodes.length < 4) await load.reaches(before + 100);
      await Promise.all(nodes.map((node) => cluster.startChunkServer(node)));
      await load.reaches(before + 200);
    };
    await restart((await openChunk('/killed-log'))[0]!);
    await restart((await openChunk('/killed-log'))[1]!);
    await cluster.killMaster();
    await cluster.startMaster();
    await restart((await openChunk('/killed-log'))[2]!);
    await restart('n1', 'n2', 'n3', 'n4');
    await load.stop();
    await checkLog('/killed-log', load);
  }, 90_000);

  it('has of a writer that is killed what it was told is there, each record whole and once', async () => {
    const writer = await startPanguWriter(cluster.nuwaAddress);
    const path = '/killed-writer';
    const told: number[] = [];
    await writer.tell({ what: 'openLog', path });
    for (let i = 0; i < 200; i++) {
      void writer.tell({ what: 'append', path, text: `${i}`.padEnd(999, '.').concat('\n') }).then(() => told.push(i));
    }
    await expect.poll(() => told.length, { timeout: 10_000, interval: 1 }).toBeGreaterThan(0);
    await writer.kill();
    const other = await pangu.openLog(path);
    await other.append('end'.padEnd(999, '.').concat('\n'));
    const records = (await pangu.readFile(path)).toString().split('\n').slice(0, -1);
    const numbers = records.map((record) => Number.parseInt(record, 10));
    expect(records.every((record) => record.length === 999)).toBe(true);
    expect(records.filter((record) => record.startsWith('end'))).toHaveLength(1);
    const own = numbers.filter((n) => !Number.isNaN(n));
    expect(own).toEqual(own.map((_, i) => i));
    expect(own.length).toBeGreaterThanOrEqual(told.length);
  });

  it('goes on when a server stands still', async () => {
    const load = new Load('/still-log');
    await load.reaches(100);
    const node = (await openChunk('/still-log'))[0]!;
    const pid = cluster.pids.get(node)!;
    process.kill(pid, 'SIGSTOP');
    try {
      await load.reaches(load.acknowledged.size + 100);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await load.reaches(load.acknowledged.size + 100);
    await load.stop();
    await checkLog('/still-log', load);
  }, 60_000);
});
