import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../../services/base/database.ts';
import { silentLogger } from '../../../services/base/log.ts';
import { BLOCK_BYTES, type PanguClient } from '../../../services/pangu/contract.ts';
import { startMaster } from '../../../services/pangu/master/server.ts';
import { type PanguCluster, startPanguCluster } from '../../helpers/pangu-cluster.ts';
import { startPanguWriter, type WriterProcess } from '../../helpers/pangu-writer.ts';

const withCode = (code: string) => expect.objectContaining({ code });

let cluster: PanguCluster;
let pangu: PanguClient;
let database: ReturnType<typeof openDatabase>;
const writers: WriterProcess[] = [];
beforeAll(async () => {
  cluster = await startPanguCluster();
  pangu = cluster.pangu;
  database = openDatabase(cluster.databaseUrl, { connectionsMax: 2 });
});
afterAll(async () => {
  await Promise.all(writers.map((writer) => writer.kill()));
  await database?.close();
  await cluster?.stop();
});

const startWriter = async (): Promise<WriterProcess> => {
  const writer = await startPanguWriter(cluster.nuwaAddress);
  writers.push(writer);
  return writer;
};
const text = async (path: string): Promise<string> => (await pangu.readFile(path)).toString();
const state = async (path: string): Promise<string> =>
  pangu.stat(path).then(
    ({ state }) => state,
    (error) => error.code,
  );
const becomes = (path: string, wanted: string) => expect.poll(() => state(path), { timeout: 15_000, interval: 50 }).toBe(wanted);

describe('the end of a file', () => {
  it('grows each time it is opened with mode a, in new chunks behind those that are there', async () => {
    const bytes = randomBytes(3 * BLOCK_BYTES + 100);
    let at = 0;
    for (const [mode, length] of [
      ['a', 100],
      ['a', BLOCK_BYTES * 2],
      ['a', 0],
      ['a', BLOCK_BYTES],
    ] as const) {
      const file = await pangu.open('/again', mode, { chunkBytes: BLOCK_BYTES });
      await file.write(bytes.subarray(at, at + length));
      at += length;
      expect(await file.close()).toMatchObject({ size: at, state: 'closed' });
    }
    expect((await pangu.readFile('/again')).equals(bytes)).toBe(true);
    expect((await pangu.locate('/again')).map(({ length }) => length)).toEqual([100, BLOCK_BYTES, BLOCK_BYTES, BLOCK_BYTES]);
    await pangu.mkdir('/again-d');
    await expect(pangu.open('/again-d', 'a')).rejects.toEqual(withCode('EISDIR'));
    await expect(pangu.open('/none/x', 'a')).rejects.toEqual(withCode('ENOENT'));
  });

  it('is one writer’s at a time, also of one client', async () => {
    const first = await pangu.open('/one', 'wx');
    await first.write(Buffer.from('first '));
    const [other, same] = [cluster.clientOn('n1'), pangu];
    for (const client of [other, same]) {
      const refused = await client.open('/one', 'a').catch((error) => error);
      expect(refused).toMatchObject({ code: 'EBUSY', details: { holder: expect.stringMatching(/^writer-/) } });
    }
    await first.close();
    const second = await other.open('/one', 'a');
    await expect(pangu.open('/one', 'a')).rejects.toEqual(withCode('EBUSY'));
    await second.write(Buffer.from('second'));
    await second.close();
    expect(await text('/one')).toBe('first second');
  });

  it('goes back to what was synced when the writer gives up', async () => {
    await pangu.writeFile('/given-back', 'kept ');
    const file = await pangu.open('/given-back', 'a');
    await file.write(Buffer.from('synced '));
    await file.sync();
    await file.abort();
    expect(await text('/given-back')).toBe('kept synced ');
    expect(await state('/given-back')).toBe('closed');
  });
});

describe('a writer that is killed', () => {
  it('leaves what it had synced, closed, and nothing of a file that nobody had seen', async () => {
    const writer = await startWriter();
    for (const [path, mode] of [
      ['/killed', 'wx'],
      ['/hidden', 'w'],
    ] as const) {
      await writer.tell({ what: 'open', path, mode });
      await writer.tell({ what: 'write', path, text: 'synced' });
      await writer.tell({ what: 'sync', path });
    }
    expect(await state('/killed')).toBe('open');
    await expect(pangu.open('/killed', 'a')).rejects.toEqual(withCode('EBUSY'));
    await writer.kill();
    await becomes('/killed', 'closed');
    expect(await text('/killed')).toBe('synced');
    expect(await state('/hidden')).toBe('ENOENT');
    const more = await pangu.open('/killed', 'a');
    await more.write(Buffer.from(' and more'));
    await more.close();
    expect(await text('/killed')).toBe('synced and more');
    const { rows } = await openRows();
    expect(rows).toEqual([]);
  });

  it('has its files closed once, by masters that all want to, and by the next when one died on the way', async () => {
    const config = {
      cluster: 'test',
      listen: 'tcp://127.0.0.1:0',
      nuwa: [cluster.nuwaAddress],
      dataDir: '',
      databaseUrl: cluster.databaseUrl,
    };
    const others = await Promise.all([1, 2].map(() => startMaster(config, { leases: { intervalMs: 100 }, log: silentLogger })));
    const writer = await startWriter();
    const paths = Array.from({ length: 12 }, (_, i) => `/many-${i}`);
    for (const path of paths) {
      await writer.tell({ what: 'open', path, mode: 'wx', options: { chunkBytes: BLOCK_BYTES } });
      await writer.tell({ what: 'write', path, text: path.repeat(10_000) });
      await writer.tell({ what: 'sync', path });
      await writer.tell({ what: 'write', path, text: 'tail' });
    }
    // As a master leaves it that claimed the file and died.
    await database.db.execute(sql`
      update pangu.inodes set epoch = epoch + 1, recovery_until = now() + interval '1 second' where name in ('many-0', 'many-1')`);
    await writer.kill();
    for (const path of paths) await becomes(path, 'closed');
    for (const path of paths) expect((await text(path)).startsWith(path.repeat(10_000))).toBe(true);
    await Promise.all(others.map((master) => master.stop()));
  });
});

describe('a writer that stood still', () => {
  it('finds that the file is another’s: what it was told is safe is there, what it sends is never seen', async () => {
    const writer = await startWriter();
    const path = '/stopped';
    const tell = (what: 'sync' | 'flush' | 'close') => writer.tell({ what, path });
    const write = (text: string) => writer.tell({ what: 'write', path, text });
    await writer.tell({ what: 'open', path, mode: 'wx' });
    await write('synced ');
    await tell('sync');
    await write('flushed ');
    await tell('flush');
    writer.signal('SIGSTOP');
    await becomes(path, 'closed');
    const next = await pangu.open(path, 'a');
    await next.write(Buffer.from('next '));
    await next.sync();
    const late = write('late ').then(() => tell('sync'));
    writer.signal('SIGCONT');
    await expect(late).rejects.toEqual(withCode('ESTALE'));
    await expect(tell('close')).rejects.toEqual(withCode('ESTALE'));
    await next.write(Buffer.from('end'));
    await next.close();
    expect(await text(path)).toBe('synced flushed next end');
    // It stands in Nuwa anew, and may write again.
    await writer.tell({ what: 'open', path: '/stopped-2', mode: 'w' });
    await writer.tell({ what: 'write', path: '/stopped-2', text: 'again' });
    await writer.tell({ what: 'close', path: '/stopped-2' });
    expect(await text('/stopped-2')).toBe('again');
  });

  it('is told so too when the file was one that nobody had seen', async () => {
    const writer = await startWriter();
    const path = '/stopped-hidden';
    await writer.tell({ what: 'open', path, mode: 'w' });
    await writer.tell({ what: 'write', path, text: 'x' });
    writer.signal('SIGSTOP');
    await expect.poll(async () => (await openRows()).rows, { timeout: 15_000 }).toEqual([]);
    writer.signal('SIGCONT');
    await expect(writer.tell({ what: 'close', path })).rejects.toEqual(withCode('ESTALE'));
    expect(await state(path)).toBe('ENOENT');
  });
});

describe('a file that wants so many replicas at least', () => {
  it('gets them', async () => {
    await expect(pangu.writeFile('/few', 'x', { replicas: 2, minReplicas: 3 })).rejects.toEqual(withCode('EINVAL'));
    await pangu.writeFile('/enough', 'x', { replicas: 5, minReplicas: 4 });
    expect((await pangu.locate('/enough'))[0]!.nodes).toHaveLength(4);
  });
});

describe('the chunk size of a directory', () => {
  it('is that of files made at any depth below, unless a nearer one or the writer says otherwise', async () => {
    await pangu.mkdir('/sized/near/deep', { recursive: true });
    await pangu.setChunkBytes('/sized', BLOCK_BYTES * 2);
    await pangu.setChunkBytes('/sized/near', BLOCK_BYTES * 3);
    const sizeOf = async (path: string, options = {}): Promise<number> =>
      (await pangu.writeFile(path, 'x', options)).chunkBytes / BLOCK_BYTES;
    expect(await sizeOf('/sized/a')).toBe(2);
    expect(await sizeOf('/sized/new/b', { parents: true })).toBe(2);
    expect(await sizeOf('/sized/near/deep/c')).toBe(3);
    expect(await sizeOf('/sized/near/deep/d', { chunkBytes: BLOCK_BYTES })).toBe(1);
    await pangu.setChunkBytes('/sized/near', null);
    expect(await sizeOf('/sized/near/deep/e')).toBe(2);
    expect(await sizeOf('/unsized')).toBe(1024);
    await expect(pangu.setChunkBytes('/sized/a', BLOCK_BYTES)).rejects.toEqual(withCode('ENOTDIR'));
    await expect(pangu.setChunkBytes('/sized', 1)).rejects.toEqual(withCode('EINVAL'));
  });
});

/** Files that somebody writes, as the tables have them. */
async function openRows(): Promise<{ rows: unknown[] }> {
  const rows = await database.db.execute(sql`select id, writer from pangu.inodes where writer is not null and deleted_at is null`);
  return { rows: [...rows] };
}
