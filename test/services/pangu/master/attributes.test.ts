import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../../../services/base/ids.ts';
import type { CallContext } from '../../../../services/kuafu/contract.ts';
import { masterHandlers } from '../../../../services/pangu/master/handlers.ts';
import { type TestMetadata, withMetadata } from '../../../helpers/pangu-metadata.ts';

let metadata: TestMetadata;
beforeAll(async () => {
  metadata = await withMetadata();
});
afterAll(() => metadata.stop());

const caller = { name: 'user/alice', key: 'k', refusal: () => undefined, ended: () => undefined };
const call = { caller } as unknown as CallContext;
const master = () => masterHandlers(metadata.context);
const stat = (path: string) => master().stat({ path }, call);
const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(7);

describe('an inode', () => {
  it('belongs to who made it, until it is given to somebody else', async () => {
    await master().mkdir({ requestId: newId(), path: '/own/deep', recursive: true }, call);
    const file = newId('f');
    await master().create({ file, path: '/own/f', mode: 'w', chunkBytes: 65536, replicas: 3, parents: false }, call);
    expect(await master().commit({ file, chunks: [], close: true }, call)).toMatchObject({ owner: 'user/alice' });
    expect([(await stat('/own')).owner, (await stat('/own/deep')).owner]).toEqual(['user/alice', 'user/alice']);
    await master().setOwner({ path: '/own/f', owner: 'user/bob' }, call);
    await master().rename({ requestId: newId(), from: '/own/f', to: '/own/g' }, call);
    expect((await stat('/own/g')).owner).toBe('user/bob');
    await expect(master().setOwner({ path: '/own/f', owner: 'x' }, call)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('takes another time of modification and another wish for replicas', async () => {
    await metadata.file('/f');
    await master().setTimes({ path: '/f', modifiedAtMs: 1_234_567_890_123 }, call);
    await master().setReplicas({ path: '/f', replicas: 5 }, call);
    expect(await stat('/f')).toMatchObject({ modifiedAtMs: 1_234_567_890_123, replicas: 5 });
    await metadata.directory('/dir');
    await expect(master().setReplicas({ path: '/dir', replicas: 2 }, call)).rejects.toMatchObject({ code: 'EISDIR' });
  });
});

describe('extended attributes', () => {
  const set = (name: string, value: Uint8Array, path = '/a') => master().setAttribute({ path, name, value: new Uint8Array(value) }, call);
  const names = async (path = '/a') => (await master().attributes({ path }, call)).attributes.map(({ name }) => name);

  it('are kept by name, replaced, removed, and go where their file goes', async () => {
    await metadata.file('/a');
    await set('user.b', Buffer.from([0, 255, 1]));
    await set('user.a', bytes(0));
    await set('user.b', Buffer.from([9]));
    await set('飞', bytes(4096));
    await master().rename({ requestId: newId(), from: '/a', to: '/moved' }, call);
    const { attributes } = await master().attributes({ path: '/moved' }, call);
    expect(attributes.map(({ name, value }) => [name, value.length])).toEqual([
      ['user.a', 0],
      ['user.b', 1],
      ['飞', 4096],
    ]);
    const requestId = newId();
    await master().removeAttribute({ requestId, path: '/moved', name: 'user.b' }, call);
    await master().removeAttribute({ requestId, path: '/moved', name: 'user.b' }, call);
    await expect(master().removeAttribute({ requestId: newId(), path: '/moved', name: 'user.b' }, call)).rejects.toMatchObject({
      code: 'ENODATA',
    });
    expect(await names('/moved')).toEqual(['user.a', '飞']);
  });

  it.each([
    ['', 1, 'EINVAL'],
    ['a\0b', 1, 'EINVAL'],
    ['\ud800', 1, 'EINVAL'],
    ['n'.repeat(256), 1, 'ENAMETOOLONG'],
    ['飞'.repeat(86), 1, 'ENAMETOOLONG'],
    ['v', 4097, 'E2BIG'],
  ])('refuse the name %j with %d bytes as %s', async (name, length, code) => {
    await metadata.file(`/bad-${newId()}`);
    await metadata.directory('/bad');
    await expect(set(name, bytes(length), '/bad')).rejects.toMatchObject({ code });
    expect(await names('/bad')).toEqual([]);
  });

  it('have 64 KiB in all, also when many are set at once', async () => {
    await metadata.file('/full');
    const outcomes = await Promise.allSettled(Array.from({ length: 18 }, (_, i) => set(`name-${i}`, bytes(4096), '/full')));
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(new Set(refused.map(({ reason }) => reason.code))).toEqual(new Set(['E2BIG']));
    expect(await names('/full')).toHaveLength(15);
    await set((await names('/full'))[0]!, bytes(4000), '/full'); // what it replaces makes room
  });
});
