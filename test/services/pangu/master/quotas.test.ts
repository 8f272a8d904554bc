import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../../../services/base/ids.ts';
import type { CallContext } from '../../../../services/kuafu/contract.ts';
import { NOBODY } from '../../../../services/kuafu/guard-contract.ts';
import { masterHandlers } from '../../../../services/pangu/master/handlers.ts';
import { type TestMetadata, withMetadata } from '../../../helpers/pangu-metadata.ts';

let metadata: TestMetadata;
let root: string;
let tests = 0;
const call = { caller: NOBODY } as CallContext;

beforeAll(async () => {
  metadata = await withMetadata();
});
afterAll(() => metadata.stop());

async function ownDirectory(): Promise<void> {
  root = `/q${++tests}`;
  await metadata.directory(root);
}

const at = (path: string): string => `${root}${path}`;
const master = () => masterHandlers(metadata.context);
const setQuota = (path: string, limits: { filesMax?: number; bytesMax?: number }) =>
  master().setQuota({ path, filesMax: limits.filesMax ?? null, bytesMax: limits.bytesMax ?? null }, call);
const open = async (path: string, mode: 'w' | 'wx' = 'wx'): Promise<{ file: string; chunk: string }> => {
  const file = newId('f');
  const { chunk } = await master().create({ file, path, mode, chunkBytes: 65536, replicas: 3, parents: false }, call);
  return { file, chunk };
};
const close = ({ file, chunk }: { file: string; chunk: string }, length: number) =>
  master().commit({ file, chunks: length > 0 ? [{ chunk, offset: 0, length, state: 'sealed', lost: [] }] : [], close: true }, call);
const write = async (path: string, length: number, mode: 'w' | 'wx' = 'wx') => close(await open(path, mode), length);
const rename = (from: string, to: string) => master().rename({ requestId: newId(), from, to }, call);
const remove = (path: string) => master().remove({ requestId: newId(), path, what: 'tree', force: false, skipTrash: true }, call);
const used = async (path: string): Promise<[number, number] | undefined> => {
  const { quotas } = await master().quotasOf({ path }, call);
  const own = quotas.find((quota) => quota.path === path);
  return own && [own.files, own.bytes];
};
const edquot = (details: object) => expect.objectContaining({ code: 'EDQUOT', details: expect.objectContaining(details) });
const nothingDrifted = async (): Promise<void> => {
  expect((await master().checkQuotas({ repair: false }, call)).drifted).toEqual([]);
};

describe('a quota', () => {
  it('refuses the file that is one too many and the byte that is one too many, and nothing of them stays', async () => {
    await ownDirectory();
    await setQuota(root, { filesMax: 2, bytesMax: 100 });
    await write(at('/a'), 60);
    await expect(write(at('/b'), 41)).rejects.toEqual(edquot({ path: root, limit: 'bytes', max: 100, wanted: 101 }));
    expect(await used(root)).toEqual([2, 60]); // the open file stands there, with nothing in it, until its writer gives it up
    await remove(at('/b'));
    await expect(write(at('/b'), 41, 'w')).rejects.toEqual(edquot({ limit: 'bytes' }));
    expect(await metadata.exists(at('/b'))).toBe(false);
    await write(at('/b'), 40);
    await expect(open(at('/c'))).rejects.toEqual(edquot({ path: root, limit: 'files', max: 2, wanted: 3 }));
    expect(await metadata.names(root)).toEqual(['a', 'b']);
    expect(await used(root)).toEqual([2, 100]);
    await nothingDrifted();
  });

  it('counts a file for every directory above that has one, and tells which refused', async () => {
    await ownDirectory();
    await metadata.directory(at('/in/deep'));
    await write(at('/in/deep/first'), 10);
    await setQuota(root, { bytesMax: 100 });
    await setQuota(at('/in'), { bytesMax: 50 });
    await write(at('/in/deep/a'), 30);
    await write(at('/b'), 20);
    expect([await used(root), await used(at('/in'))]).toEqual([
      [3, 60],
      [2, 40],
    ]);
    await expect(write(at('/in/deep/c'), 11)).rejects.toEqual(edquot({ path: at('/in'), max: 50, wanted: 51 }));
    await write(at('/d'), 40);
    await expect(write(at('/in/deep/e'), 1)).rejects.toEqual(edquot({ path: root, max: 100, wanted: 101 }));
    const { quotas } = await master().quotasOf({ path: at('/in/deep/a') }, call);
    expect(quotas.map(({ path }) => path)).toEqual([at('/in'), root]);
    await nothingDrifted();
  });

  it('goes with what moves: files and whole directories, also those with a quota of their own', async () => {
    await ownDirectory();
    for (const directory of ['/from/sub/own', '/to']) await metadata.directory(at(directory));
    await write(at('/from/sub/f'), 10);
    await write(at('/from/sub/own/g'), 20);
    await setQuota(at('/from'), { filesMax: 10 });
    await setQuota(at('/from/sub/own'), { filesMax: 1 });
    await setQuota(at('/to'), { filesMax: 2, bytesMax: 25 });
    await expect(rename(at('/from/sub'), at('/to/sub'))).rejects.toEqual(edquot({ path: at('/to'), limit: 'bytes', wanted: 30 }));
    await rename(at('/from/sub'), at('/from/moved'));
    expect(await used(at('/from'))).toEqual([2, 30]);
    await rename(at('/from/moved/own'), at('/to/own'));
    expect([await used(at('/from')), await used(at('/to')), await used(at('/to/own'))]).toEqual([
      [1, 10],
      [1, 20],
      [1, 20],
    ]);
    await rename(at('/from/moved/f'), at('/loose'));
    await remove(at('/to/own'));
    expect([await used(at('/from')), await used(at('/to'))]).toEqual([
      [0, 0],
      [0, 0],
    ]);
    await nothingDrifted();
  });

  it('takes what replaces a file at the difference, also when it is full', async () => {
    await ownDirectory();
    await setQuota(root, { filesMax: 1, bytesMax: 50 });
    await write(at('/a'), 50);
    await write(at('/a'), 49, 'w');
    expect(await used(root)).toEqual([1, 49]);
    await expect(write(at('/a'), 51, 'w')).rejects.toEqual(edquot({ limit: 'bytes', wanted: 51 }));
    expect(await used(root)).toEqual([1, 49]);
    await nothingDrifted();
  });

  it('set below what is there refuses growth alone, and is gone when it is cleared', async () => {
    await ownDirectory();
    await write(at('/a'), 10);
    await write(at('/b'), 10);
    await setQuota(root, { filesMax: 1, bytesMax: 5 });
    await expect(write(at('/c'), 0)).rejects.toEqual(edquot({ limit: 'files' }));
    await rename(at('/a'), at('/d'));
    await remove(at('/d'));
    expect(await used(root)).toEqual([1, 10]);
    await setQuota(root, {});
    expect(await used(root)).toBeUndefined();
    await write(at('/c'), 100);
    await expect(setQuota(at('/c'), { filesMax: 1 })).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(setQuota(at('/none'), { filesMax: 1 })).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is told to a writer at the next chunk, long before the end', async () => {
    await ownDirectory();
    await setQuota(root, { bytesMax: 100_000 });
    for (const mode of ['w', 'wx'] as const) {
      const { file } = await open(at(`/${mode}`), mode);
      const ask = (index: number, written: number) => master().allocate({ file, index, exclude: [], written }, call);
      await ask(1, 65_536);
      await expect(ask(2, 131_072)).rejects.toEqual(edquot({ path: root, wanted: 131_072 }));
      await master().abandon({ file }, call);
    }
    await nothingDrifted();
  });

  it('holds exactly, whatever is written, moved, removed and limited at once', async () => {
    await ownDirectory();
    const directories = ['/a', '/a/in', '/b', '/b/in', '/c'];
    for (const directory of directories) await metadata.directory(at(directory));
    await setQuota(root, { filesMax: 60 });
    await setQuota(at('/a'), { filesMax: 25 });
    const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)]!;
    const file = (): string => at(`${pick(directories)}/f${Math.floor(Math.random() * 8)}`);
    const step = (): Promise<unknown> =>
      pick([
        () => write(file(), 10),
        () => write(file(), 7, 'w'),
        () => rename(file(), file()),
        () => rename(at('/a/in'), at('/c/in')),
        () => rename(at('/c/in'), at('/a/in')),
        () => rename(at('/b/in'), at('/a/two')),
        () => rename(at('/a/two'), at('/b/in')),
        () => remove(file()),
        () => setQuota(at('/b'), pick([{}, { filesMax: 9 }, { bytesMax: 80 }])),
        () => setQuota(at('/c/in'), pick([{}, { bytesMax: 1_000 }])),
      ])();
    const codes = new Set<string>();
    const worker = async (): Promise<void> => {
      for (let i = 0; i < 25; i++) await step().then(undefined, (error) => codes.add(error.code));
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    expect([...codes].filter((code) => !['ENOENT', 'EEXIST', 'EDQUOT', 'ENOTEMPTY', 'EISDIR', 'ENOTDIR'].includes(code))).toEqual([]);
    await nothingDrifted();
  });
});

describe('checkQuotas', () => {
  it('finds a count that is wrong and puts it right', async () => {
    await ownDirectory();
    await write(at('/a'), 10);
    await setQuota(root, { filesMax: 5 });
    const ofRoot = sql`directory = (select id from pangu.inodes where name = ${root.slice(root.lastIndexOf('/') + 1)})`;
    await metadata.context.db.execute(sql`update pangu.quotas set files = 3, bytes = 4 where ${ofRoot}`);
    const drifted = [{ path: root, kept: { files: 3, bytes: 4 }, found: { files: 1, bytes: 10 } }];
    expect((await master().checkQuotas({ repair: true }, call)).drifted).toEqual(drifted);
    await nothingDrifted();
  });
});

describe('usage', () => {
  it('adds up files, directories, bytes and what replicas take', async () => {
    await ownDirectory();
    await metadata.directory(at('/d/e'));
    await write(at('/d/f'), 10);
    await write(at('/d/e/g'), 20);
    expect(await master().usage({ path: root }, call)).toEqual({ files: 2, directories: 3, logicalBytes: 30, storedBytes: 90 });
    expect(await master().usage({ path: at('/d/f') }, call)).toEqual({ files: 1, directories: 0, logicalBytes: 10, storedBytes: 30 });
  });
});
