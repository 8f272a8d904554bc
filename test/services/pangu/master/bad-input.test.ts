import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../../../services/base/ids.ts';
import type { CallContext } from '../../../../services/kuafu/contract.ts';
import { NOBODY } from '../../../../services/kuafu/guard-contract.ts';
import { masterHandlers } from '../../../../services/pangu/master/handlers.ts';
import { type TestMetadata, withMetadata } from '../../../helpers/pangu-metadata.ts';

/** What a master makes of names and orders that make no sense: a code of POSIX, and not a row changed. It believes no client to have looked before. */
let metadata: TestMetadata;
const call = { caller: NOBODY } as CallContext;

beforeAll(async () => {
  metadata = await withMetadata();
  await metadata.directory('/d');
  await metadata.file('/f', { length: 10 });
});
afterAll(() => metadata.stop());

const master = () => masterHandlers(metadata.context);
const codeOf = (work: () => Promise<unknown>): Promise<string> =>
  Promise.resolve()
    .then(work)
    .then(
      () => 'ok',
      (error) => error.code ?? String(error),
    );
const rowCounts = () =>
  Promise.all((['inodes', 'chunks', 'replicas', 'garbage', 'requests'] as const).map((table) => metadata.count(table)));

const OPERATIONS: Record<string, (path: string) => Promise<unknown>> = {
  stat: (path) => master().stat({ path }, call),
  readdir: (path) => master().readdir({ path, limit: 10 }, call),
  open: (path) => master().open({ path }, call),
  create: (path) => master().create({ file: newId('f'), path, mode: 'wx', chunkBytes: 65536, replicas: 1, parents: true }, call),
  replace: (path) => master().create({ file: newId('f'), path, mode: 'w', chunkBytes: 65536, replicas: 1, parents: true }, call),
  mkdir: (path) => master().mkdir({ requestId: newId(), path, recursive: true }, call),
  'rename from': (from) => master().rename({ requestId: newId(), from, to: '/d/x' }, call),
  'rename to': (to) => master().rename({ requestId: newId(), from: '/f', to }, call),
  remove: (path) => master().remove({ requestId: newId(), path, what: 'tree', force: true, skipTrash: false }, call),
  'publish into': (directory) => master().publish({ publishId: newId(), publications: [{ directory, files: [], overwrite: true }] }, call),
  'publish from': (from) =>
    master().publish({ publishId: newId(), publications: [{ directory: '/p', files: [{ from, name: 'x' }], overwrite: true }] }, call),
  setQuota: (path) => master().setQuota({ path, filesMax: 1, bytesMax: null }, call),
  usage: (path) => master().usage({ path }, call),
  setOwner: (path) => master().setOwner({ path, owner: 'x' }, call),
  setTimes: (path) => master().setTimes({ path, modifiedAtMs: 0 }, call),
  setReplicas: (path) => master().setReplicas({ path, replicas: 2 }, call),
  setAttribute: (path) => master().setAttribute({ path, name: 'x', value: new Uint8Array(1) }, call),
};

describe.each([
  ['holds NUL', '/d/a\0b', 'EINVAL'],
  ['goes up', '/d/../f', 'EINVAL'],
  ['stays', '/d/./f', 'EINVAL'],
  ['has an empty name', '/d//f', 'EINVAL'],
  ['is relative', 'd/f', 'EINVAL'],
  ['is of no cluster but a scheme', 'http://d/f', 'EINVAL'],
  ['ends in half a character', '/d/\ud83d', 'EINVAL'],
  ['has a name of 256 bytes', `/d/${'x'.repeat(256)}`, 'ENAMETOOLONG'],
  ['has a name of 258 bytes in 86 characters', `/d/${'飞'.repeat(86)}`, 'ENAMETOOLONG'],
  ['has more than 4096 bytes', `/${Array(30).fill('y'.repeat(200)).join('/')}`, 'ENAMETOOLONG'],
])('a path that %s', (_, path, code) => {
  it(`is refused with ${code} by every operation, and nothing changes`, async () => {
    const before = await rowCounts();
    for (const [name, operation] of Object.entries(OPERATIONS)) expect([name, await codeOf(() => operation(path))]).toEqual([name, code]);
    expect(await rowCounts()).toEqual(before);
  });
});

describe('a name', () => {
  it.each([
    ['of 255 bytes', 'x'.repeat(255)],
    ['of 85 characters of three bytes', '飞'.repeat(85)],
    ['of dots', '...'],
    ['with a newline', 'a\nb'],
    ['with control characters', '\u0001\u001b[31m\u007f'],
    ['that turns the reading direction', '\u202etxt.exe'],
    ['of nothing to see', '\u200b\u200d\ufeff'],
    ['with the last character of all', '\u{10ffff}'],
    ['with what patterns and SQL would read', `*?[a-z]{x}'";--\\%_`],
    ['of blanks', '   '],
  ])('%s is a name like any other', async (_, name) => {
    await metadata.directory('/names');
    await metadata.file(`/names/${name}`);
    expect(await metadata.names('/names')).toContain(name);
    await master().rename({ requestId: newId(), from: `/names/${name}`, to: `/d/${name}` }, call);
    expect(await metadata.names('/d')).toContain(name);
    await master().remove({ requestId: newId(), path: `/d/${name}`, what: 'file', force: false, skipTrash: false }, call);
    expect(await metadata.exists(`/d/${name}`)).toBe(false);
  });

  it('is its bytes: composed and decomposed, upper and lower case are different names', async () => {
    await metadata.directory('/forms');
    const forms = ['\u00e9', 'e\u0301', '\u212b', '\u00c5', 'A\u030a', 'K', 'k', '\u212a', '\u0130', 'i\u0307'];
    for (const form of forms) await metadata.file(`/forms/${form}`);
    expect(await metadata.names('/forms')).toEqual(forms.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
  });
});

describe('what cannot be done', () => {
  it.each([
    ['a directory opened', () => master().open({ path: '/d' }, call), 'EISDIR'],
    ['a directory written over', () => OPERATIONS.replace!('/d'), 'EISDIR'],
    ['a file made that ends in /', () => OPERATIONS.create!('/d/g/'), 'EISDIR'],
    ['a file made below a file', () => OPERATIONS.create!('/f/g'), 'ENOTDIR'],
    ['a file listed', () => OPERATIONS.readdir!('/f'), 'ENOTDIR'],
    ['a file with a / behind it looked at', () => OPERATIONS.stat!('/f/'), 'ENOTDIR'],
    ['the root moved', () => OPERATIONS['rename from']!('/'), 'EINVAL'],
    ['something moved onto the root', () => OPERATIONS['rename to']!('/'), 'EINVAL'],
    ['the root removed', () => OPERATIONS.remove!('/'), 'EINVAL'],
    ['a directory moved into itself', () => master().rename({ requestId: newId(), from: '/d', to: '/d/e' }, call), 'EINVAL'],
    [
      'a chunk asked for a file that is closed',
      () => closedFile((file) => master().allocate({ file, index: 1, exclude: [] }, call)),
      'EBADF',
    ],
    ['a chunk asked for no file', () => master().allocate({ file: 'f-none', index: 1, exclude: [] }, call), 'ENOENT'],
    ['no file closed', () => master().commit({ file: 'f-none', chunks: [], close: true }, call), 'ENOENT'],
  ])('%s: %s', async (_, work, code) => {
    expect(await codeOf(work)).toBe(code);
  });

  async function closedFile(work: (file: string) => Promise<unknown>): Promise<unknown> {
    return work(await metadata.file(`/closed-${newId()}`, { length: 5 }));
  }

  it('leaves no trace when no server has room, or none is there', async () => {
    const { servers } = metadata;
    const before = await rowCounts();
    metadata.servers = servers.map((server) => ({ ...server, freeBytes: 1000 }));
    expect(await codeOf(() => OPERATIONS.create!('/full'))).toBe('ENOSPC');
    metadata.servers = [];
    expect(await codeOf(() => OPERATIONS.create!('/full'))).toBe('EIO');
    metadata.servers = servers;
    expect(await rowCounts()).toEqual(before);
  });

  it('leaves a file as it was when what is said of its chunks is wrong', async () => {
    const file = newId('f');
    const { chunk } = await master().create({ file, path: '/half', mode: 'wx', chunkBytes: 65536, replicas: 3, parents: false }, call);
    const before = await master().stat({ path: '/half' }, call);
    const say = (chunks: object[], close = true) => codeOf(() => master().commit({ file, chunks: chunks as never, close }, call));
    expect(await say([{ chunk, offset: 0, length: 65537, state: 'sealed', lost: [] }])).toBe('EINVAL');
    expect(await say([{ chunk, offset: 10, length: 10, state: 'sealed', lost: [] }])).toBe('EINVAL');
    expect(await say([{ chunk: 'c-none', offset: 0, length: 10, state: 'sealed', lost: [] }])).toBe('EINVAL');
    expect(await say([{ chunk, offset: 0, length: 10, state: 'open', lost: [] }])).toBe('EINVAL');
    expect(await say([{ chunk, offset: 0, length: 10, state: 'sealed', lost: ['n1', 'n2', 'n3', 'n4'] }])).toBe('EIO');
    expect(await master().stat({ path: '/half' }, call)).toEqual(before);
    expect(await metadata.count('replicas', `chunk = '${chunk}'`)).toBe(3);
    expect(await say([{ chunk, offset: 0, length: 10, state: 'sealed', lost: [] }])).toBe('ok');
  });
});
