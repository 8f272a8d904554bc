import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../../../services/base/ids.ts';
import { mkdir } from '../../../../services/pangu/master/ops/mkdir.ts';
import { publish } from '../../../../services/pangu/master/ops/publish.ts';
import { readdir } from '../../../../services/pangu/master/ops/readdir.ts';
import { remove } from '../../../../services/pangu/master/ops/remove.ts';
import { rename } from '../../../../services/pangu/master/ops/rename.ts';
import { stat } from '../../../../services/pangu/master/ops/stat.ts';
import { type TestMetadata, withMetadata } from '../../../helpers/pangu-metadata.ts';

let metadata: TestMetadata;
let root: string;
let tests = 0;

beforeAll(async () => {
  metadata = await withMetadata();
});
afterAll(() => metadata.stop());

/** Each test has a directory of its own. */
async function ownDirectory(): Promise<string> {
  root = `/t${++tests}`;
  await metadata.directory(root);
  return root;
}

const at = (path: string): string => `${root}${path}`;
const withCode = (code: string) => expect.objectContaining({ code });
const doMkdir = (path: string, recursive = false) => mkdir(metadata.context, { requestId: newId(), path, recursive });
const doRename = (from: string, to: string, requestId = newId()) => rename(metadata.context, { requestId, from, to });
const doRemove = (path: string, what: 'file' | 'one' | 'tree' = 'one', force = false, requestId = newId()) =>
  remove(metadata.context, { requestId, path, what, force, skipTrash: true });
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error) => error.code ?? error,
  );

describe('mkdir', () => {
  it('makes a directory once, and says what is in the way', async () => {
    await ownDirectory();
    await doMkdir(at('/d'));
    await metadata.file(at('/f'));
    expect(await stat(metadata.context, { path: at('/d/') })).toMatchObject({ type: 'directory', size: 0, state: 'closed' });
    await expect(doMkdir(at('/d'))).rejects.toEqual(withCode('EEXIST'));
    await expect(doMkdir(at('/missing/d'))).rejects.toEqual(withCode('ENOENT'));
    await expect(doMkdir(at('/f/d'))).rejects.toEqual(withCode('ENOTDIR'));
    await expect(doMkdir(at('/f/d'), true)).rejects.toEqual(withCode('ENOTDIR'));
    await expect(doMkdir(at('/f'), true)).rejects.toEqual(withCode('EEXIST'));
    await expect(doMkdir('/')).rejects.toEqual(withCode('EEXIST'));
    await doMkdir('/', true);
    await doMkdir(at('/d/e/f/g'), true);
    await doMkdir(at('/d/e/f/g'), true);
    expect(await metadata.names(at('/d/e/f'))).toEqual(['g']);
  });

  it('succeeds again under the same request, and only for one of many at once otherwise', async () => {
    await ownDirectory();
    const request = { requestId: newId(), path: at('/d'), recursive: false };
    await mkdir(metadata.context, request);
    await mkdir(metadata.context, request);
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => codeOf(doMkdir(at('/e')))));
    expect(outcomes.sort()).toEqual([...Array(7).fill('EEXIST'), 'ok']);
    await Promise.all(Array.from({ length: 8 }, () => doMkdir(at('/p/q/r/s'), true)));
    expect(await metadata.names(at('/p/q/r'))).toEqual(['s']);
  });
});

describe('readdir', () => {
  it('gives names by their bytes, page after page', async () => {
    await ownDirectory();
    const names = [
      'a',
      'B',
      'aa',
      'a b',
      '\u00fc',
      '~',
      '\u{1f600}',
      '\uff5e',
      "'",
      '"; drop table pangu.inodes; --',
      '%_*',
      '\n',
      '\\',
      '.a',
      '\u202e',
    ];
    for (const name of names) await metadata.file(at(`/${name}`));
    const seen: string[] = [];
    for (let after: string | undefined; ; after = seen.at(-1)) {
      const page = await readdir(metadata.context, { path: root, after, limit: 4 });
      seen.push(...page.entries.map(({ name }) => name));
      if (!page.more) break;
    }
    expect(seen).toEqual(names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
    for (const name of names) expect(await stat(metadata.context, { path: at(`/${name}`) })).toMatchObject({ type: 'file' });
    await expect(readdir(metadata.context, { path: at('/a'), limit: 1 })).rejects.toEqual(withCode('ENOTDIR'));
    await expect(readdir(metadata.context, { path: at('/none'), limit: 1 })).rejects.toEqual(withCode('ENOENT'));
  });
});

describe('rename', () => {
  it('moves files and directories, replacing a file by a file and an empty directory by a directory', async () => {
    await ownDirectory();
    for (const directory of ['/a/x', '/b', '/empty', '/full/y']) await metadata.directory(at(directory));
    const f = await metadata.file(at('/f'), { length: 10 });
    await metadata.file(at('/g'), { length: 20 });
    await doRename(at('/f'), at('/b/f'));
    await doRename(at('/b/f'), at('/g'));
    expect((await stat(metadata.context, { path: at('/g') })).size).toBe(10);
    expect(await metadata.count('inodes', `id = '${f}' and name = 'g'`)).toBe(1);
    await doRename(at('/a'), at('/empty'));
    expect(await metadata.names(at('/empty'))).toEqual(['x']);
    await expect(doRename(at('/empty'), at('/full'))).rejects.toEqual(withCode('ENOTEMPTY'));
    await expect(doRename(at('/g'), at('/full'))).rejects.toEqual(withCode('EISDIR'));
    await expect(doRename(at('/full'), at('/g'))).rejects.toEqual(withCode('ENOTDIR'));
    await expect(doRename(at('/none'), at('/h'))).rejects.toEqual(withCode('ENOENT'));
    await expect(doRename(at('/g'), at('/none/h'))).rejects.toEqual(withCode('ENOENT'));
    await expect(doRename(at('/g'), at('/g/h'))).rejects.toEqual(withCode('ENOTDIR'));
    await expect(doRename(at('/full'), at('/full/y/z'))).rejects.toEqual(withCode('EINVAL'));
    await expect(doRename('/', at('/r'))).rejects.toEqual(withCode('EINVAL'));
    await doRename(at('/g'), at('/g'));
    expect(await metadata.names(root)).toEqual(['b', 'empty', 'full', 'g']);
  });

  it('answers the same when it is asked again after a lost reply', async () => {
    await ownDirectory();
    await metadata.file(at('/f'));
    const requestId = newId();
    await doRename(at('/f'), at('/g'), requestId);
    await doRename(at('/f'), at('/g'), requestId);
    await expect(doRename(at('/f'), at('/g'))).rejects.toEqual(withCode('ENOENT'));
  });

  it('never makes a ring of directories, however moves meet', async () => {
    await ownDirectory();
    for (let round = 0; round < 10; round++) {
      const names = ['a', 'b', 'c'].map((name) => at(`/${round}${name}`));
      for (const name of names) await metadata.directory(`${name}/in`);
      // Each into the next: all three together would be a ring.
      await Promise.allSettled(names.map((name, i) => doRename(name, `${names[(i + 1) % 3]}/in/moved`)));
      expect(await reachable()).toBe(await metadata.count('inodes', 'deleted_at is null'));
    }
  });

  it('gives one winner when many move one file, and loses none when many files move to one name', async () => {
    await ownDirectory();
    await metadata.file(at('/f'));
    const outcomes = await Promise.all(Array.from({ length: 6 }, (_, i) => codeOf(doRename(at('/f'), at(`/to${i}`)))));
    expect(outcomes.filter((outcome) => outcome === 'ok')).toHaveLength(1);
    expect(await metadata.names(root)).toHaveLength(1);

    await Promise.all(Array.from({ length: 6 }, (_, i) => metadata.file(at(`/from${i}`))));
    expect(await Promise.all(Array.from({ length: 6 }, (_, i) => codeOf(doRename(at(`/from${i}`), at('/one')))))).toEqual(
      Array(6).fill('ok'),
    );
    expect((await metadata.names(root)).filter((name) => !name.startsWith('to'))).toEqual(['one']);
  });

  it('meets removal of its target directory without losing the file or finding it in both places', async () => {
    await ownDirectory();
    for (let i = 0; i < 10; i++) {
      await metadata.directory(at(`/d${i}`));
      await metadata.file(at(`/f${i}`));
      const [moved, removed] = await Promise.all([codeOf(doRename(at(`/f${i}`), at(`/d${i}/f`))), codeOf(doRemove(at(`/d${i}`)))]);
      expect([
        ['ok', 'ENOTEMPTY'],
        ['ENOENT', 'ok'],
      ]).toContainEqual([moved, removed]);
      expect(await metadata.exists(at(`/f${i}`))).toBe(moved === 'ENOENT');
    }
  });
});

/** Inodes that can be reached from the root. */
async function reachable(): Promise<number> {
  return metadata.count(
    'inodes',
    "id in (with recursive tree as (select id from pangu.inodes where id = 'root' union all select i.id from pangu.inodes i join tree on i.parent = tree.id) select id from tree)",
  );
}

describe('remove', () => {
  it('removes what it is told to and nothing more', async () => {
    await ownDirectory();
    await metadata.directory(at('/d/e'));
    await metadata.file(at('/d/f'));
    await expect(doRemove(at('/d'))).rejects.toEqual(withCode('ENOTEMPTY'));
    await expect(doRemove(at('/d'), 'file')).rejects.toEqual(withCode('EISDIR'));
    await expect(doRemove(at('/none'))).rejects.toEqual(withCode('ENOENT'));
    await expect(doRemove(at('/d/f/g'))).rejects.toEqual(withCode('ENOTDIR'));
    await expect(doRemove(at('/d/f/'))).rejects.toEqual(withCode('ENOTDIR'));
    await expect(doRemove('/', 'tree')).rejects.toEqual(withCode('EINVAL'));
    await doRemove(at('/none'), 'one', true);
    await doRemove(at('/none/none'), 'tree', true);
    await doRemove(at('/d/f'), 'file');
    await doRemove(at('/d/e'));
    expect(await metadata.names(at('/d'))).toEqual([]);
    await metadata.file(at('/d/again'));
    const requestId = newId();
    await doRemove(at('/d'), 'tree', false, requestId);
    await doRemove(at('/d'), 'tree', false, requestId);
    expect(await metadata.names(root)).toEqual([]);
  });

  it('removes no directory that is being filled', async () => {
    await ownDirectory();
    for (let i = 0; i < 10; i++) {
      await metadata.directory(at(`/d${i}`));
      const [made, removed] = await Promise.all([codeOf(metadata.file(at(`/d${i}/f`))), codeOf(doRemove(at(`/d${i}`)))]);
      expect([
        ['ok', 'ENOTEMPTY'],
        ['ENOENT', 'ok'],
      ]).toContainEqual([made, removed]);
    }
  });
});

describe('publish', () => {
  const doPublish = (
    publishId: string,
    ...publications: { directory: string; files: { from: string; name: string }[]; overwrite?: boolean }[]
  ) => publish(metadata.context, { publishId, publications: publications.map((publication) => ({ overwrite: false, ...publication })) });

  it('makes all directories appear with exactly their files, and does it once', async () => {
    await ownDirectory();
    await metadata.directory(at('/tmp'));
    for (const name of ['0', '1', '2']) await metadata.file(at(`/tmp/${name}`), { length: 5 });
    const publishId = newId();
    const publications = [
      {
        directory: at('/out/one'),
        files: [
          { from: at('/tmp/0'), name: 'part-0' },
          { from: at('/tmp/1'), name: 'part-1' },
        ],
      },
      { directory: at('/out/two/'), files: [{ from: at('/tmp/2'), name: 'part-0' }] },
      { directory: at('/empty'), files: [] },
    ];
    await doPublish(publishId, ...publications);
    await metadata.file(at('/out/one/mine'));
    await doPublish(publishId, ...publications);
    expect(await metadata.names(at('/out/one'))).toEqual(['mine', 'part-0', 'part-1']);
    expect(await metadata.names(at('/out/two'))).toEqual(['part-0']);
    expect(await metadata.names(at('/empty'))).toEqual([]);
    expect(await metadata.names(at('/tmp'))).toEqual([]);
    await expect(doPublish(newId(), ...publications)).rejects.toEqual(withCode('ENOENT'));
  });

  it('does nothing at all when one of many files or directories does not fit', async () => {
    await ownDirectory();
    await metadata.directory(at('/there'));
    await metadata.file(at('/a'));
    await metadata.file(at('/b'));
    const good = { directory: at('/out'), files: [{ from: at('/a'), name: 'a' }] };
    await expect(doPublish('p1', good, { directory: at('/out2'), files: [{ from: at('/none'), name: 'x' }] })).rejects.toEqual(
      withCode('ENOENT'),
    );
    await expect(doPublish('p1', good, { directory: at('/there'), files: [] })).rejects.toEqual(withCode('EEXIST'));
    await expect(doPublish('p1', good, { directory: at('/d'), files: [{ from: at('/there'), name: 'x' }] })).rejects.toEqual(
      withCode('EISDIR'),
    );
    await expect(doPublish('p1', good, { directory: at('/d'), files: [{ from: at('/a'), name: 'x' }] })).rejects.toEqual(
      withCode('EINVAL'),
    );
    await expect(doPublish('p1', good, { directory: at('/out/inner'), files: [] })).rejects.toEqual(withCode('EINVAL'));
    await expect(doPublish('p1', { ...good, files: [...good.files, { from: at('/b'), name: 'a' }] })).rejects.toEqual(withCode('EINVAL'));
    await expect(doPublish('p1', { ...good, files: [{ from: at('/a'), name: 'a/b' }] })).rejects.toEqual(withCode('EINVAL'));
    await expect(doPublish('p1', { directory: '/', files: [], overwrite: true })).rejects.toEqual(withCode('EINVAL'));
    expect(await metadata.names(root)).toEqual(['a', 'b', 'there']);
    await doPublish('p1', good);
    expect(await metadata.names(root)).toEqual(['b', 'out', 'there']);
  });

  it('replaces a directory as a whole when asked to, also with files out of that directory', async () => {
    await ownDirectory();
    await metadata.directory(at('/out/sub'));
    await metadata.file(at('/out/old'), { length: 5 });
    await metadata.file(at('/out/kept'), { length: 7 });
    await metadata.file(at('/new'), { length: 9 });
    const files = [
      { from: at('/new'), name: 'new' },
      { from: at('/out/kept'), name: 'kept' },
    ];
    await doPublish(newId(), { directory: at('/out'), files, overwrite: true });
    expect(await metadata.names(at('/out'))).toEqual(['kept', 'new']);
  });

  it('lets one of many through that want the same directory or files', async () => {
    await ownDirectory();
    for (let i = 0; i < 5; i++) await metadata.file(at(`/f${i}`));
    const files = Array.from({ length: 5 }, (_, i) => ({ from: at(`/f${i}`), name: `part-${i}` }));
    const outcomes = await Promise.all(
      Array.from({ length: 6 }, (_, i) =>
        codeOf(doPublish(`race-${i}`, { directory: at(`/out${i % 2}`), files: i % 3 ? files : [...files].reverse() })),
      ),
    );
    expect(outcomes.filter((outcome) => outcome === 'ok')).toHaveLength(1);
    const [directory] = await metadata.names(root);
    expect(await metadata.names(at(`/${directory}`))).toHaveLength(5);
    expect(await Promise.all(Array.from({ length: 4 }, () => codeOf(doPublish('same', { directory: at('/same'), files: [] }))))).toEqual(
      Array(4).fill('ok'),
    );
  });

  it('moves thousands of files in one transaction', async () => {
    await ownDirectory();
    const inserted = 3000;
    const directory = await stat(metadata.context, { path: root });
    expect(directory.type).toBe('directory');
    const { sql } = await import('drizzle-orm');
    await metadata.context.db.execute(sql`
      insert into pangu.inodes (id, parent, name, type, state)
      select 'many-' || n, (select id from pangu.inodes where name = ${root.slice(1)}), 'f' || n, 'file', 'closed' from generate_series(1, ${inserted}::int) n`);
    const files = Array.from({ length: inserted }, (_, i) => ({ from: at(`/f${i + 1}`), name: `part-${i}` }));
    await doPublish(newId(), { directory: at('/out'), files });
    expect(await metadata.names(root)).toEqual(['out']);
    expect(await metadata.names(at('/out'))).toHaveLength(inserted);
  });
});
