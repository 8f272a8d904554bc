import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../../../services/base/ids.ts';
import { TRASH_BUCKET_MS } from '../../../../services/pangu/core/trash.ts';
import { checkQuotas } from '../../../../services/pangu/master/ops/check-quotas.ts';
import { quotasOf } from '../../../../services/pangu/master/ops/quotas-of.ts';
import { readdir } from '../../../../services/pangu/master/ops/readdir.ts';
import { remove } from '../../../../services/pangu/master/ops/remove.ts';
import { rename } from '../../../../services/pangu/master/ops/rename.ts';
import { setQuota } from '../../../../services/pangu/master/ops/set-quota.ts';
import { stat } from '../../../../services/pangu/master/ops/stat.ts';
import { setTrashRetentionMs, trashRetentionMs } from '../../../../services/pangu/master/settings.ts';
import { emptyTrash } from '../../../../services/pangu/master/trash.ts';
import { type TestMetadata, withMetadata } from '../../../helpers/pangu-metadata.ts';

let metadata: TestMetadata;
let root: string;
let tests = 0;

beforeAll(async () => {
  metadata = await withMetadata();
});
afterAll(() => metadata.stop());

async function ownDirectory(): Promise<string> {
  root = `/t${++tests}`;
  await metadata.directory(root);
  return root;
}
const at = (path: string): string => `${root}${path}`;
const doRemove = (path: string, what: 'file' | 'one' | 'tree' = 'file', skipTrash = false, owner = 'user/alice') =>
  remove(metadata.context, { requestId: newId(), path, what, force: false, skipTrash }, owner);
const restore = (from: string, to: string) => rename(metadata.context, { requestId: newId(), from, to });

/** Everything in a user's trash, without the times. */
async function trashOf(user: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (path: string, shown: string): Promise<void> => {
    for (const { name, type } of (await readdir(metadata.context, { path, limit: 5000 })).entries) {
      if (type === 'directory') await visit(`${path}/${name}`, `${shown}/${name}`);
      else found.push(`${shown}/${name}`);
    }
  };
  if (!(await metadata.exists(`/.trash/${user}`))) return [];
  for (const time of await metadata.names(`/.trash/${user}`)) await visit(`/.trash/${user}/${time}`, '');
  return found.filter((path) => path.startsWith(`${root}/`)).sort();
}
const bucketOf = async (user: string, path: string): Promise<string> => {
  for (const time of await metadata.names(`/.trash/${user}`))
    if (await metadata.exists(`/.trash/${user}/${time}${path}`)) return `/.trash/${user}/${time}`;
  throw new Error(`${path} is not in the trash`);
};

describe('what is removed', () => {
  it('goes to the trash of who removed it, and a rename brings it back as it was', async () => {
    await ownDirectory();
    const id = await metadata.file(at('/f'), { length: 10 });
    await doRemove(at('/f'));
    expect(await metadata.names(root)).toEqual([]);
    expect(await trashOf('user:alice')).toEqual([at('/f')]);
    const bucket = await bucketOf('user:alice', at('/f'));
    expect((await stat(metadata.context, { path: bucket })).owner).toBe('user/alice');
    await restore(`${bucket}${at('/f')}`, at('/f'));
    expect(await metadata.count('inodes', `id = '${id}' and name = 'f' and size = 10 and deleted_at is null`)).toBe(1);
  });

  it('goes as a whole tree, beside what was removed from the same place before', async () => {
    await ownDirectory();
    for (let round = 0; round < 4; round++) {
      await metadata.directory(at('/d/e'));
      await metadata.file(at('/d/e/f'));
      await doRemove(at('/d'), 'tree');
    }
    await metadata.file(at('/d'));
    await doRemove(at('/d'));
    await metadata.directory(at('/d'));
    await metadata.file(at('/d/g'));
    await doRemove(at('/d/g'));
    expect(await trashOf('user:alice')).toEqual([at('/d'), ...Array(4).fill(at('/d/e/f')), at('/d/g')].sort());
  });

  it('goes for good where that is asked for, where there is no trash, and out of the trash', async () => {
    await ownDirectory();
    await metadata.file(at('/a'));
    await doRemove(at('/a'), 'file', true);
    expect(await trashOf('user:alice')).toEqual([]);
    await setTrashRetentionMs(metadata.context.db, 0);
    await metadata.file(at('/b'));
    await doRemove(at('/b'));
    expect(await trashOf('user:alice')).toEqual([]);
    await setTrashRetentionMs(metadata.context.db, 3_600_000);
    expect(await trashRetentionMs(metadata.context.db)).toBe(3_600_000);
    await metadata.file(at('/c'));
    await doRemove(at('/c'), 'file', false, '');
    expect(await trashOf('nobody')).toEqual([at('/c')]);
    const before = await metadata.count('inodes', 'deleted_at is not null');
    await doRemove(`${await bucketOf('nobody', at('/c'))}${at('/c')}`);
    expect(await trashOf('nobody')).toEqual([]);
    expect(await metadata.count('inodes', 'deleted_at is not null')).toBe(before + 1);
  });

  it('counts no more for the quota it leaves, and for that of the trash from then on', async () => {
    await ownDirectory();
    await metadata.directory(at('/d'));
    for (const name of ['a', 'b', 'c']) await metadata.file(at(`/d/${name}`), { length: 10 });
    await setQuota(metadata.context, { path: root, filesMax: 3, bytesMax: null });
    await metadata.directory('/.trash/user:bob');
    await setQuota(metadata.context, { path: '/.trash/user:bob', filesMax: null, bytesMax: 25 });
    await doRemove(at('/d/a'), 'file', false, 'user/bob');
    await expect(doRemove(at('/d'), 'tree', false, 'user/bob')).rejects.toMatchObject({ cause: { code: 'PQ001' } });
    expect(await metadata.names(at('/d'))).toEqual(['b', 'c']);
    const used = async (path: string) => (await quotasOf(metadata.context, { path })).quotas[0]!.files;
    expect([await used(root), await used('/.trash/user:bob')]).toEqual([2, 1]);
    expect((await checkQuotas(metadata.context, { repair: false })).drifted).toEqual([]);
  });

  it('is lost to nobody when many remove the same names at once', async () => {
    await ownDirectory();
    const ids = await Promise.all(
      Array.from({ length: 6 }, (_, i) => metadata.directory(at(`/d${i}`)).then(() => metadata.file(at(`/d${i}/f`)))),
    );
    await Promise.all(
      ids.map((_, i) => restore(at(`/d${i}/f`), at(`/d${i}/same`)).then(() => doRemove(at(`/d${i}`), 'tree', false, 'user/eve'))),
    );
    expect(await trashOf('user:eve')).toEqual(ids.map((_, i) => at(`/d${i}/same`)));
  });
});

describe('emptying the trash', () => {
  it('takes what has lain there long enough, of whom it is told, and nothing else', async () => {
    await ownDirectory();
    await metadata.file(at('/a'));
    await metadata.file(at('/b'));
    await doRemove(at('/a'), 'file', false, 'user/carol');
    await doRemove(at('/b'), 'file', false, 'user/dave');
    await metadata.directory('/.trash/user:carol/kept by hand');
    const nowMs = Date.now();
    expect(await emptyTrash(metadata.context, { user: 'user:carol', beforeMs: nowMs - 1 })).toBe(0);
    expect(await trashOf('user:carol')).toEqual([at('/a')]);
    const later = { beforeMs: nowMs + TRASH_BUCKET_MS };
    const taken = await Promise.all([1, 2, 3].map(() => emptyTrash(metadata.context, { user: 'user:carol', ...later })));
    expect(Math.max(...taken)).toBe(1);
    expect([await trashOf('user:carol'), await trashOf('user:dave')]).toEqual([[], [at('/b')]]);
    expect(await metadata.names('/.trash/user:carol')).toEqual(['kept by hand']);
    await emptyTrash(metadata.context, later);
    expect(await trashOf('user:dave')).toEqual([]);
  });
});
