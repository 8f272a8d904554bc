import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PanguClient } from '../../../services/pangu/contract.ts';
import { type PanguCluster, startPanguCluster } from '../../helpers/pangu-cluster.ts';

const withCode = (code: string) => expect.objectContaining({ code });
const KIB = 1024;

describe('a random file', () => {
  let cluster: PanguCluster;
  let pangu: PanguClient;
  beforeAll(async () => {
    cluster = await startPanguCluster();
    pangu = cluster.pangu;
  });
  afterAll(() => cluster?.stop());

  it('is written anywhere, reads what it wrote, and holes are zeros', async () => {
    const file = await pangu.open('/anywhere', 'wx', { kind: 'random', chunkBytes: 64 * KIB });
    await file.pwrite(200 * KIB, Buffer.from('far'));
    await file.pwrite(10, Buffer.from('near'));
    const expected = Buffer.alloc(200 * KIB + 3);
    expected.write('near', 10);
    expected.write('far', 200 * KIB);
    expect((await file.read(0, 300 * KIB)).equals(expected)).toBe(true);
    const stat = await file.close();
    expect(stat).toMatchObject({ kind: 'random', state: 'closed', size: expected.length });
    expect((await pangu.readFile('/anywhere')).equals(expected)).toBe(true);
    expect((await pangu.locate('/anywhere')).map(({ offset, nodes }) => [offset, nodes.length])).toEqual([
      [0, 3],
      [192 * KIB, 3],
    ]);
  });

  it('is opened again with r+, cut, and grown with zeros', async () => {
    const file = await pangu.open('/cut', 'wx', { kind: 'random', chunkBytes: 64 * KIB });
    await file.write(Buffer.alloc(150 * KIB, 'x'));
    await file.close();
    const again = await pangu.open('/cut', 'r+');
    await again.truncate(70 * KIB);
    expect((await pangu.stat('/cut')).size).toBe(70 * KIB);
    await again.truncate(160 * KIB);
    await again.pwrite(159 * KIB, Buffer.alloc(KIB, 'y'));
    await again.close();
    const expected = Buffer.concat([Buffer.alloc(70 * KIB, 'x'), Buffer.alloc(89 * KIB), Buffer.alloc(KIB, 'y')]);
    expect((await pangu.readFile('/cut')).equals(expected)).toBe(true);
  });

  it('refuses what makes no sense', async () => {
    await pangu.writeFile('/appended', 'x');
    await expect(pangu.open('/appended', 'r+')).rejects.toEqual(withCode('EBADF'));
    await expect(pangu.open('/nowhere', 'r+')).rejects.toEqual(withCode('ENOENT'));
    await expect(pangu.open('/', 'r+')).rejects.toEqual(withCode('EISDIR'));
    const appended = await pangu.open('/appended-2', 'wx');
    await expect(appended.pwrite(0, Buffer.from('x'))).rejects.toEqual(withCode('EBADF'));
    await expect(appended.truncate(0)).rejects.toEqual(withCode('EBADF'));
    await appended.abort();
    const file = await pangu.open('/sense', 'wx', { kind: 'random' });
    await expect(file.pwrite(-1, Buffer.from('x'))).rejects.toEqual(withCode('EINVAL'));
    await expect(file.pwrite(2 ** 53, Buffer.from('x'))).rejects.toEqual(withCode('EINVAL'));
    await expect(file.truncate(0.5)).rejects.toEqual(withCode('EINVAL'));
    await expect(pangu.open('/sense', 'wx', { kind: 'random' })).rejects.toEqual(withCode('EEXIST'));
    await file.close();
    await expect(file.pwrite(0, Buffer.from('x'))).rejects.toEqual(withCode('EBADF'));
    const reader = await pangu.open('/sense', 'r');
    await expect(reader.pwrite(0, Buffer.from('x'))).rejects.toEqual(withCode('EBADF'));
  });
});
