import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../../../services/base/ids.ts';
import type { MasterContext } from '../../../../services/pangu/master/context.ts';
import { allocate } from '../../../../services/pangu/master/ops/allocate.ts';
import { commit } from '../../../../services/pangu/master/ops/commit.ts';
import { create } from '../../../../services/pangu/master/ops/create.ts';
import { openForWrite } from '../../../../services/pangu/master/ops/open-for-write.ts';
import { type TestMetadata, withMetadata } from '../../../helpers/pangu-metadata.ts';

let metadata: TestMetadata;
let context: MasterContext;
const gone = new Set<string>();
beforeAll(async () => {
  metadata = await withMetadata();
  context = { ...metadata.context, writers: { isGone: async (writer) => gone.has(writer) } };
});
afterAll(() => metadata?.stop());

const make = (path: string, writer?: string, more: object = {}) =>
  create(context, { file: newId('f'), path, mode: 'wx', chunkBytes: 65536, replicas: 3, parents: false, writer, ...more });
const reopen = (path: string, writer?: string, requestId = newId()) => openForWrite(context, { requestId, path, writer });
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error) => error.code ?? error,
  );

describe('the lease of a file', () => {
  it('is taken by who makes it, and again after it was closed, each time under a higher epoch', async () => {
    const file = newId('f');
    const made = await make('/made', 'w1', { file });
    expect(made.epoch).toBe(1);
    expect(await make('/made', 'w1', { file })).toEqual(made);
    expect(await codeOf(reopen('/made', 'w2'))).toBe('EBUSY');
    await commit(context, {
      file,
      chunks: [{ chunk: made.chunk, offset: 0, length: 10, state: 'sealed', lost: [] }],
      close: true,
      epoch: 1,
    });
    expect(await metadata.count('inodes', `id = '${file}' and writer is null`)).toBe(1);
    expect(await reopen('/made', 'w2')).toMatchObject({ file, epoch: 2, size: 10, nextIndex: 1, chunkBytes: 65536, replicas: 3 });
    expect(await metadata.count('inodes', `id = '${file}' and writer = 'w2' and state = 'open'`)).toBe(1);
  });

  it('is given once to a call whose reply was lost, and to no other call of the same writer', async () => {
    await metadata.file('/again', { length: 10 });
    const first = await reopen('/again', 'w1', 'r1');
    expect(await reopen('/again', 'w1', 'r1')).toEqual(first);
    expect(await codeOf(reopen('/again', 'w1', 'r2'))).toBe('EBUSY');
  });

  it('is not taken by a second copy of a call that comes when the file was closed, through a master that stood still', async () => {
    const file = await metadata.file('/late', { length: 10 });
    const { epoch } = await reopen('/late', 'w1', 'r3');
    await commit(context, { file, chunks: [], close: true, epoch });
    expect(await codeOf(reopen('/late', 'w1', 'r3'))).toBe('ESTALE');
    expect(await codeOf(reopen('/late', 'w1', 'r4'))).toBe('ok');
  });

  it('is lost to whoever says another epoch, for all that a master can be asked', async () => {
    const file = newId('f');
    const { chunk } = await make('/stale', 'w1', { file });
    const chunks = [{ chunk, offset: 0, length: 10, state: 'sealed' as const, lost: [] }];
    await commit(context, { file, chunks, close: true, epoch: 1 });
    const { epoch, nextIndex } = await reopen('/stale', 'w2');
    expect(await codeOf(allocate(context, { file, index: nextIndex, exclude: [], epoch: 1 }))).toBe('ESTALE');
    expect(await codeOf(allocate(context, { file, index: 0, exclude: [], epoch: 1 }))).toBe('ESTALE');
    expect(await codeOf(commit(context, { file, chunks: [], close: false, epoch: 1 }))).toBe('ESTALE');
    expect(await codeOf(commit(context, { file, chunks: [], close: true, epoch: 1 }))).toBe('ESTALE');
    expect(await codeOf(allocate(context, { file, index: nextIndex, exclude: [], epoch }))).toBe('ok');
    expect(await codeOf(commit(context, { file, chunks: [], close: true, epoch }))).toBe('ok');
    expect(await codeOf(commit(context, { file, chunks: [], close: true, epoch }))).toBe('ok');
  });

  it('of a writer that is gone is taken at once where there is nothing to wait for', async () => {
    const file = newId('f');
    const { chunk } = await make('/gone', 'w1', { file });
    const chunks = [{ chunk, offset: 0, length: 10, state: 'sealed' as const, lost: [] }];
    await commit(context, { file, chunks, close: false, epoch: 1 });
    expect(await codeOf(reopen('/gone', 'w2'))).toBe('EBUSY');
    gone.add('w1');
    expect(await reopen('/gone', 'w2')).toMatchObject({ file, epoch: 3, size: 10 });
  });

  it('is waited for while what was acknowledged is on servers that are away', async () => {
    const file = newId('f');
    const { chunk } = await make('/away', 'w3', { file });
    await commit(context, { file, chunks: [{ chunk, offset: 0, length: 10, state: 'open', lost: [] }], close: false, epoch: 1 });
    gone.add('w3');
    const { servers } = metadata;
    metadata.servers = [];
    expect(await codeOf(reopen('/away', 'w2'))).toBe('EIO');
    metadata.servers = servers;
    expect(await metadata.count('inodes', `id = '${file}' and state = 'open' and recovery_until is null`)).toBe(1);
  });

  it('is of no use for fewer replicas than the file wants', async () => {
    const { servers } = metadata;
    metadata.servers = servers.slice(0, 2);
    expect(await codeOf(make('/few', 'w1', { minReplicas: 3 }))).toBe('EIO');
    expect(await codeOf(make('/few', 'w1', { minReplicas: 2 }))).toBe('ok');
    metadata.servers = servers;
  });
});
