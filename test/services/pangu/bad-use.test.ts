import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PanguCluster, startPanguCluster } from '../../helpers/pangu-cluster.ts';

/** What a client makes of handles, offsets and limits that make no sense. */
let cluster: PanguCluster;

beforeAll(async () => {
  cluster = await startPanguCluster({ nodes: ['n1', 'n2'].map((id) => ({ id, rack: id })) });
});
afterAll(() => cluster?.stop());

describe('a file open for reading', () => {
  it.each([
    ['at its end', 5, 10, ''],
    ['beyond its end', 1_000, 10, ''],
    ['far beyond its end', Number.MAX_SAFE_INTEGER, 1, ''],
    ['over its end', 3, 10, 'lo'],
    ['of no bytes', 2, 0, ''],
  ])('gives what is there when it is read %s', async (_, position, length, text) => {
    await cluster.pangu.writeFile('/short', 'hello');
    const file = await cluster.pangu.open('/short', 'r');
    expect((await file.read(position, length)).toString()).toBe(text);
    await file.close();
  });

  it.each([
    ['before its beginning', -1, 1],
    ['at no whole byte', 0.5, 1],
    ['at no number', Number.NaN, 1],
    ['beyond what a number can count', 2 ** 53, 1],
    ['of less than no bytes', 0, -1],
    ['of infinitely many bytes', 0, Number.POSITIVE_INFINITY],
  ])('refuses a read %s', async (_, position, length) => {
    const file = await cluster.pangu.open('/short', 'r');
    await expect(file.read(position, length)).rejects.toMatchObject({ code: 'EINVAL' });
    await file.close();
  });

  it('is not written to, and not read once it is closed', async () => {
    const file = await cluster.pangu.open('/short', 'r');
    await expect(file.write(Buffer.from('x'))).rejects.toMatchObject({ code: 'EBADF' });
    await expect(file.sync()).rejects.toMatchObject({ code: 'EBADF' });
    await file.close();
    await file.close();
    await expect(file.read(0, 1)).rejects.toMatchObject({ code: 'EBADF' });
  });
});

describe('a file open for writing', () => {
  it('is not read, and takes nothing once it is closed or given up', async () => {
    const file = await cluster.pangu.open('/w', 'wx');
    await expect(file.read(0, 1)).rejects.toMatchObject({ code: 'EBADF' });
    const [first, second] = await Promise.all([file.close(), file.close()]);
    expect(second).toEqual(first);
    await expect(file.write(Buffer.from('x'))).rejects.toMatchObject({ code: 'EBADF' });
    await expect(file.sync()).rejects.toMatchObject({ code: 'EBADF' });
    const other = await cluster.pangu.open('/given-up', 'wx');
    await other.abort();
    await other.abort();
    await expect(other.write(Buffer.from('x'))).rejects.toMatchObject({ code: 'EBADF' });
    await expect(other.close()).rejects.toMatchObject({ code: 'EBADF' });
    await expect(cluster.pangu.stat('/given-up')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('stops at its quota with EDQUOT, and nothing of it stays', async () => {
    const { pangu } = cluster;
    await pangu.mkdir('/limited');
    await pangu.writeFile('/limited/old', Buffer.alloc(50_000));
    await pangu.setQuota('/limited', { bytes: 200_000, files: 2 });
    await expect(pangu.writeFile('/limited/new', Buffer.alloc(150_001))).rejects.toMatchObject({
      code: 'EDQUOT',
      details: { path: '/limited', limit: 'bytes', max: 200_000, wanted: 200_001 },
    });
    await expect(pangu.writeFile('/limited/old', Buffer.alloc(200_001))).rejects.toMatchObject({ code: 'EDQUOT' });
    expect((await pangu.readFile('/limited/old')).length).toBe(50_000);
    // One that goes on and on is stopped at a chunk soon after its limit, not at its end.
    const endless = await pangu.open('/limited/endless', 'wx', { chunkBytes: 65_536 });
    let writtenBytes = 0;
    await expect(
      (async () => {
        for (; writtenBytes < 100_000_000; writtenBytes += 65_536) await endless.write(Buffer.alloc(65_536));
      })(),
    ).rejects.toMatchObject({ code: 'EDQUOT', details: { limit: 'bytes' } });
    expect(writtenBytes).toBeLessThan(20_000_000);
    await endless.abort();
    expect(await pangu.quotas('/limited')).toEqual([{ path: '/limited', filesMax: 2, bytesMax: 200_000, files: 1, bytes: 50_000 }]);
    await pangu.writeFile('/limited/new', Buffer.alloc(150_000));
    await expect(pangu.writeFile('/limited/third', 'x')).rejects.toMatchObject({ code: 'EDQUOT', details: { limit: 'files', wanted: 3 } });
    await expect(pangu.stat('/limited/third')).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await pangu.checkQuotas()).toMatchObject({ drifted: [] });
  });
});

describe('what a client is asked for', () => {
  it.each([
    ['a quota of nothing', () => cluster.pangu.setQuota('/', {}), 'EINVAL'],
    ['a quota below nothing', () => cluster.pangu.setQuota('/', { files: -1 }), 'EINVAL'],
    ['half a file', () => cluster.pangu.setQuota('/', { files: 0.5 }), 'EINVAL'],
    ['no replicas', () => cluster.pangu.setReplicas('/short', 0), 'EINVAL'],
    ['an attribute without a name', () => cluster.pangu.setAttribute('/short', '', 'x'), 'EINVAL'],
    ['an attribute that is too long', () => cluster.pangu.setAttribute('/short', 'a', Buffer.alloc(4097)), 'E2BIG'],
    ['another cluster', () => cluster.pangu.stat('pangu://elsewhere/short'), 'EINVAL'],
    ['a name with NUL', () => cluster.pangu.writeFile('/a\0b', 'x'), 'EINVAL'],
    ['a name of 256 bytes', () => cluster.pangu.mkdir(`/${'x'.repeat(256)}`), 'ENAMETOOLONG'],
  ])('%s is refused', async (_, ask, code) => {
    await expect(Promise.resolve().then<unknown>(ask)).rejects.toMatchObject({ code });
  });

  it('comes back as it was set', async () => {
    const { pangu } = cluster;
    await pangu.chown('/short', 'user/alice');
    await pangu.utimes('/short', { modifiedAtMs: 1_000 });
    await pangu.setReplicas('/short', 1);
    expect(await pangu.stat('/short')).toMatchObject({ owner: 'user/alice', modifiedAtMs: 1_000, replicas: 1 });
    await pangu.setAttribute('/short', 'user.kind', 'greeting');
    expect([...(await pangu.attributes('/short'))].map(([name, value]) => [name, Buffer.from(value).toString()])).toEqual([
      ['user.kind', 'greeting'],
    ]);
    await pangu.removeAttribute('/short', 'user.kind');
    expect((await pangu.attributes('/short')).size).toBe(0);
    expect((await pangu.space()).map(({ node, up }) => [node, up])).toEqual([
      ['n1', true],
      ['n2', true],
    ]);
    expect(await pangu.usage('/short')).toMatchObject({ files: 1, logicalBytes: 5, storedBytes: 10 });
  });
});
