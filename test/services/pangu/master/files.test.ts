import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrateDatabase } from '../../../../infra/database.ts';
import { isDatabaseAway, openDatabase, rows } from '../../../../services/base/database.ts';
import { newId } from '../../../../services/base/ids.ts';
import { collectOnce } from '../../../../services/pangu/master/background/garbage.ts';
import { abandon } from '../../../../services/pangu/master/ops/abandon.ts';
import { allocate } from '../../../../services/pangu/master/ops/allocate.ts';
import { commit } from '../../../../services/pangu/master/ops/commit.ts';
import { create } from '../../../../services/pangu/master/ops/create.ts';
import { locate } from '../../../../services/pangu/master/ops/locate.ts';
import { open } from '../../../../services/pangu/master/ops/open.ts';
import { remove } from '../../../../services/pangu/master/ops/remove.ts';
import { rename } from '../../../../services/pangu/master/ops/rename.ts';
import { stat } from '../../../../services/pangu/master/ops/stat.ts';
import { type TestMetadata, withMetadata } from '../../../helpers/pangu-metadata.ts';

let metadata: TestMetadata;
beforeAll(async () => {
  metadata = await withMetadata();
});
afterAll(() => metadata.stop());

const withCode = (code: string) => expect.objectContaining({ code });
const settings = { chunkBytes: 65536, replicas: 3, parents: false };
const doCreate = (path: string, mode: 'w' | 'wx' = 'wx', file = newId('f'), more: object = {}) =>
  create(metadata.context, { ...settings, file, path, mode, ...more }).then((allocation) => ({ file, ...allocation }));
const written = (chunk: string, offset: number, length: number, state: 'open' | 'sealed' = 'sealed', lost: string[] = []) => ({
  chunk,
  offset,
  length,
  state,
  lost,
});
const doCommit = (file: string, chunks: ReturnType<typeof written>[], close = false) => commit(metadata.context, { file, chunks, close });
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error) => error.code ?? error,
  );

describe('create', () => {
  it('makes a file with its first chunk on nodes of different racks', async () => {
    const { chunk, index, replicas } = await doCreate('/made');
    expect(index).toBe(0);
    expect(replicas).toHaveLength(3);
    expect(replicas[0]).toEqual({ node: expect.stringMatching(/^n[1-4]$/), address: expect.stringMatching(/^tcp:/) });
    expect(await metadata.count('replicas', `chunk = '${chunk}'`)).toBe(3);
    expect(await stat(metadata.context, { path: '/made' })).toMatchObject({
      type: 'file',
      size: 0,
      state: 'open',
      chunkBytes: 65536,
      replicas: 3,
    });
  });

  it('answers the same when it is asked again, in both modes', async () => {
    for (const mode of ['w', 'wx'] as const) {
      const file = newId('f');
      const first = await doCreate(`/again-${mode}`, mode, file);
      const second = await doCreate(`/again-${mode}`, mode, file);
      expect(second.chunk).toBe(first.chunk);
      expect(second.replicas.map(({ node }) => node).sort()).toEqual(first.replicas.map(({ node }) => node).sort());
    }
  });

  it('says what is in the way, and makes parents when told to', async () => {
    await metadata.directory('/dir');
    await metadata.file('/file');
    await expect(doCreate('/file')).rejects.toEqual(withCode('EEXIST'));
    await expect(doCreate('/dir')).rejects.toEqual(withCode('EEXIST'));
    await expect(doCreate('/dir', 'w')).rejects.toEqual(withCode('EISDIR'));
    await expect(doCreate('/dir/')).rejects.toEqual(withCode('EISDIR'));
    await expect(doCreate('/file/x')).rejects.toEqual(withCode('ENOTDIR'));
    await expect(doCreate('/file/x', 'w', newId(), { parents: true })).rejects.toEqual(withCode('ENOTDIR'));
    await expect(doCreate('/none/x')).rejects.toEqual(withCode('ENOENT'));
    await expect(doCreate('/')).rejects.toEqual(withCode('EISDIR'));
    await Promise.all(Array.from({ length: 8 }, (_, i) => doCreate(`/p/q/r/${i}`, 'wx', newId('f'), { parents: true })));
    expect(await metadata.names('/p/q/r')).toHaveLength(8);
  });

  it('lets one of many through that create one name', async () => {
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => codeOf(doCreate('/contended'))));
    expect(outcomes.sort()).toEqual([...Array(7).fill('EEXIST'), 'ok']);
  });

  it('makes nothing when no chunk server has room or is there', async () => {
    const servers = metadata.servers;
    try {
      metadata.servers = servers.map((server) => ({ ...server, freeBytes: 1 }));
      await expect(doCreate('/nowhere')).rejects.toEqual(withCode('ENOSPC'));
      metadata.servers = [];
      await expect(doCreate('/nowhere')).rejects.toEqual(withCode('EIO'));
    } finally {
      metadata.servers = servers;
    }
    expect(await metadata.exists('/nowhere')).toBe(false);
  });
});

describe('allocate', () => {
  it('gives the same chunk for the same index, away from excluded nodes', async () => {
    const { file } = await doCreate('/alloc');
    const first = await allocate(metadata.context, { file, index: 1, exclude: ['n1'], preferNode: 'n2' });
    expect(first.replicas.map(({ node }) => node)).not.toContain('n1');
    expect(first.replicas[0]!.node).toBe('n2');
    const [second, third] = await Promise.all([1, 1].map((index) => allocate(metadata.context, { file, index, exclude: [] })));
    expect([second!.chunk, third!.chunk]).toEqual([first.chunk, first.chunk]);
    await expect(allocate(metadata.context, { file, index: 2, exclude: ['n1', 'n2', 'n3', 'n4'] })).rejects.toEqual(withCode('EIO'));
  });

  it('gives none for a file that is closed or gone', async () => {
    const file = await metadata.file('/closed');
    await expect(allocate(metadata.context, { file, index: 1, exclude: [] })).rejects.toEqual(withCode('EBADF'));
    await remove(metadata.context, { requestId: newId(), path: '/closed', what: 'file', force: false, skipTrash: true });
    await expect(allocate(metadata.context, { file, index: 1, exclude: [] })).rejects.toEqual(withCode('ENOENT'));
  });
});

describe('commit', () => {
  it('shows what was synced, then closes, and says the same when told twice', async () => {
    const { file, chunk } = await doCreate('/grows');
    expect(await doCommit(file, [written(chunk, 0, 10, 'open')])).toMatchObject({ size: 10, state: 'open' });
    expect(await doCommit(file, [written(chunk, 0, 10, 'open')])).toMatchObject({ size: 10, state: 'open' });
    expect((await open(metadata.context, { path: '/grows' })).chunks).toMatchObject([{ chunk, offset: 0, length: 10 }]);
    const next = await allocate(metadata.context, { file, index: 1, exclude: [] });
    const unused = await allocate(metadata.context, { file, index: 2, exclude: [] });
    const last = [written(chunk, 0, 30), written(next.chunk, 30, 5)];
    expect(await doCommit(file, last, true)).toMatchObject({ size: 35, state: 'closed' });
    expect(await doCommit(file, last, true)).toMatchObject({ size: 35, state: 'closed' });
    expect((await open(metadata.context, { path: '/grows' })).chunks.map(({ length }) => length)).toEqual([30, 5]);
    expect(await metadata.count('garbage', `chunk = '${unused.chunk}'`)).toBe(3);
    expect(await metadata.count('chunks', `id = '${unused.chunk}'`)).toBe(0);
  });

  it('closes no file with a gap, an overlap, an open chunk or a chunk of another file', async () => {
    const { file, chunk } = await doCreate('/holes');
    const other = await doCreate('/other');
    const { chunk: second } = await allocate(metadata.context, { file, index: 1, exclude: [] });
    for (const chunks of [
      [written(chunk, 0, 10), written(second, 11, 5)],
      [written(chunk, 0, 10), written(second, 9, 5)],
      [written(chunk, 1, 10)],
      [written(chunk, 0, 10, 'open')],
      [written(chunk, 0, 65537)],
      [written(other.chunk, 0, 10)],
    ])
      await expect(doCommit(file, chunks, true)).rejects.toEqual(withCode('EINVAL'));
    expect(await stat(metadata.context, { path: '/holes' })).toMatchObject({ size: 0, state: 'open' });
  });

  it('never shortens a chunk, nor changes a sealed one', async () => {
    const { file, chunk } = await doCreate('/monotone');
    await doCommit(file, [written(chunk, 0, 10, 'open')]);
    await expect(doCommit(file, [written(chunk, 0, 9, 'open')])).rejects.toEqual(withCode('EINVAL'));
    await doCommit(file, [written(chunk, 0, 20)]);
    await doCommit(file, [written(chunk, 0, 20)]);
    await expect(doCommit(file, [written(chunk, 0, 21)])).rejects.toEqual(withCode('EINVAL'));
  });

  it('hands replicas that were lost to the garbage loop, but never the last one', async () => {
    const { file, chunk, replicas } = await doCreate('/lossy');
    const [a, b, c] = replicas.map(({ node }) => node) as [string, string, string];
    await doCommit(file, [written(chunk, 0, 10, 'open', [a])]);
    await doCommit(file, [written(chunk, 0, 10, 'open', [a, b])]);
    expect((await open(metadata.context, { path: '/lossy' })).chunks[0]!.replicas.map(({ node }) => node)).toEqual([c]);
    expect(await metadata.count('garbage', `chunk = '${chunk}'`)).toBe(2);
    await expect(doCommit(file, [written(chunk, 0, 10, 'sealed', [c])], true)).rejects.toEqual(withCode('EIO'));
    expect((await open(metadata.context, { path: '/lossy' })).chunks[0]!.replicas.map(({ node }) => node)).toEqual([c]);
  });

  it('makes a file of mode w appear when it is closed, in place of the old one', async () => {
    await metadata.file('/swap', { length: 10 });
    const { file, chunk } = await doCreate('/swap', 'w');
    await doCommit(file, [written(chunk, 0, 20, 'open')]);
    expect((await stat(metadata.context, { path: '/swap' })).size).toBe(10);
    const old = await open(metadata.context, { path: '/swap' });
    await doCommit(file, [written(chunk, 0, 20)], true);
    expect((await stat(metadata.context, { path: '/swap' })).size).toBe(20);
    expect((await locate(metadata.context, { file: old.file })).chunks).toHaveLength(1); // until it is collected
  });

  it('takes the last of many that replace one file, and loses no space', async () => {
    const files = await Promise.all(Array.from({ length: 6 }, () => doCreate('/last', 'w')));
    await Promise.all(files.map(({ file, chunk }, i) => doCommit(file, [written(chunk, 0, i + 1)], true)));
    expect(await metadata.count('inodes', "name = 'last' and parent = 'root'")).toBe(1);
    expect(await metadata.count('inodes', "name = 'last' and deleted_at is not null")).toBe(5);
  });

  it('does not close a file whose directory is gone, or whose place a directory took', async () => {
    await metadata.directory('/away');
    const gone = await doCreate('/away/f', 'w');
    const taken = await doCreate('/taken', 'w');
    await rename(metadata.context, { requestId: newId(), from: '/away', to: '/moved' });
    await metadata.directory('/taken');
    await expect(doCommit(gone.file, [written(gone.chunk, 0, 1)], true)).rejects.toEqual(withCode('ENOENT'));
    await expect(doCommit(taken.file, [written(taken.chunk, 0, 1)], true)).rejects.toEqual(withCode('EISDIR'));
  });

  it('refuses a file that was removed while it was written', async () => {
    const { file, chunk } = await doCreate('/removed');
    await remove(metadata.context, { requestId: newId(), path: '/removed', what: 'one', force: false, skipTrash: true });
    await expect(doCommit(file, [written(chunk, 0, 1)], true)).rejects.toEqual(withCode('ENOENT'));
  });
});

describe('the garbage loop', () => {
  it('collects what is out of the tree after its grace, with all below it, and leaves the rest', async () => {
    await metadata.directory('/tree/a/b/c');
    for (const path of ['/tree/g1', '/tree/a/g2', '/tree/a/b/g3', '/tree/a/b/c/g4']) await metadata.file(path, { length: 3 });
    await metadata.file('/stays', { length: 3 });
    const { file } = await doCreate('/given-up', 'w');
    await abandon(metadata.context, { file });
    // No chunk server is there: garbage waits in its table.
    metadata.servers = [];
    const before = await metadata.count('garbage');
    await remove(metadata.context, { requestId: newId(), path: '/tree', what: 'tree', force: false, skipTrash: true });
    await collectOnce(metadata.context, 60_000);
    expect(await metadata.count('inodes', `id = '${file}'`)).toBe(0); // what was given up has no grace
    expect(await metadata.count('inodes', "name in ('g1', 'g2', 'g3', 'g4')")).toBe(4);
    while (await collectOnce(metadata.context, 0));
    expect(await metadata.count('inodes', 'deleted_at is not null')).toBe(0);
    expect(await metadata.count('inodes', "name in ('tree', 'g1', 'g2', 'g3', 'g4')")).toBe(0);
    expect(await metadata.count('chunks', 'not exists (select 1 from pangu.inodes i where i.id = file)')).toBe(0);
    expect(await metadata.count('garbage')).toBeGreaterThanOrEqual(before + 15);
    expect((await open(metadata.context, { path: '/stays' })).chunks).toHaveLength(1);
  });
});

describe('migrations', () => {
  it('can be asked for by several processes at once, and again later', async () => {
    await metadata.context.db.execute(sql`create database another`);
    const url = metadata.postgres.url.replace(/\/postgres$/, '/another');
    await Promise.all(Array.from({ length: 4 }, () => migrateDatabase(url)));
    await migrateDatabase(url);
    const { db, close } = openDatabase(url);
    expect(await rows(db, sql`select id, type from pangu.inodes`)).toEqual([{ id: 'root', type: 'directory' }]);
    await close();
  });
});

describe('when Postgres goes away', () => {
  it('fails with errors that say so, and goes on when it is back', async () => {
    metadata.servers = [{ id: 'n1', rack: 'r', freeBytes: 1e9, address: 'tcp://n1:1' }];
    await metadata.file('/before');
    await metadata.postgres.kill();
    const failure = await stat(metadata.context, { path: '/before' }).catch((error) => error);
    expect(isDatabaseAway(failure)).toBe(true);
    await metadata.postgres.start();
    await expect.poll(() => metadata.exists('/before').catch(() => false), { timeout: 10_000 }).toBe(true);
    await metadata.file('/after');
  });
});
