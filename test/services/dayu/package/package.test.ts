import { createHash } from 'node:crypto';
import { chmod, cp, link, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Header } from 'tar';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { packDirectory } from '../../../../services/dayu/client.ts';
import { unpackPackage } from '../../../../services/dayu/package/unpack.ts';
import { EXAMPLE } from '../agent/agent-under-test.ts';

let directory: string;
let source: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'feitian-test-package-'));
  source = join(directory, 'source');
  await cp(EXAMPLE, source, { recursive: true });
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Unpacks bytes that came from somewhere; resolves with the directory. */
async function unpack(archive: Uint8Array, digest = digestOf(archive)): Promise<string> {
  const into = join(directory, 'into');
  await writeFile(join(directory, 'package.tgz'), archive);
  await unpackPackage(join(directory, 'package.tgz'), into, digest);
  return into;
}

type Fields = ConstructorParameters<typeof Header>[0] & object;

/** An archive as somebody might make it who means harm. */
function archiveOf(...entries: (Exclude<Fields, Buffer> & { content?: string })[]): Buffer {
  const blocks = entries.map(({ content = '', ...fields }) => {
    const header = new Header({ mode: 0o644, size: content.length, type: 'File', ...fields });
    header.encode();
    const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
    return Buffer.concat([header.block!, Buffer.from(content), padding]);
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}

/** That nothing was written but what was there: the archive. */
const untouched = async (): Promise<void> => expect((await readdir(directory)).sort()).toEqual(['package.tgz', 'source']);

describe('a package', () => {
  test('comes out as it went in', async () => {
    const deep = join('long'.repeat(20), 'name'.repeat(20));
    await mkdir(join(source, deep), { recursive: true });
    await mkdir(join(source, 'empty'));
    await writeFile(join(source, deep, 'büchlein-书.txt'), 'text');
    await writeFile(join(source, 'run'), '#!/bin/sh', { mode: 0o700 });
    await symlink('../run', join(source, 'empty/link'));
    const { archive, digest, bytes, descriptor } = await packDirectory(source);
    expect(descriptor).toMatchObject({ name: 'hello', version: '1.0.0' });
    expect([bytes, digest]).toEqual([archive.length, digestOf(archive)]);

    const into = await unpack(archive);
    expect((await readdir(into, { recursive: true })).sort()).toEqual((await readdir(source, { recursive: true })).sort());
    expect(await readFile(join(into, deep, 'büchlein-书.txt'), 'utf8')).toBe('text');
    expect(await readFile(join(into, 'server.mjs'))).toEqual(await readFile(join(source, 'server.mjs')));
    expect(await readlink(join(into, 'empty/link'))).toBe('../run');
    expect((await stat(join(into, 'run'))).mode & 0o111).toBe(0o111 & ~process.umask());
  });

  test('of the same content has the same bytes, whatever the times, modes, links and order of making are', async () => {
    const { digest } = await packDirectory(source);
    const other = join(directory, 'other');
    await mkdir(other);
    for (const name of (await readdir(source)).reverse()) await cp(join(source, name), join(other, name));
    await utimes(join(other, 'server.mjs'), 1, 1);
    await chmod(join(other, 'server.mjs'), 0o600);
    await link(join(other, 'server.mjs'), join(directory, 'hard-link'));
    await mkdir(join(other, '.git'));
    await writeFile(join(other, '.git/HEAD'), 'main');
    await mkdir(join(other, 'node_modules/.cache'), { recursive: true });
    await mkdir(join(source, 'node_modules'));
    expect((await packDirectory(other)).digest).toBe((await packDirectory(source)).digest);
    await writeFile(join(other, 'README.md'), 'changed');
    expect((await packDirectory(other)).digest).not.toBe(digest);
  });

  test.each<[string, () => Promise<unknown>, string, object]>([
    ['no descriptor', () => rm(join(source, 'dayu.json')), 'InvalidDescriptor', { path: '', message: expect.stringContaining('ENOENT') }],
    [
      'a descriptor that is no JSON',
      () => writeFile(join(source, 'dayu.json'), '{'),
      'InvalidDescriptor',
      { path: '', message: expect.stringContaining('is no JSON') },
    ],
    [
      'a bad descriptor',
      () => writeFile(join(source, 'dayu.json'), '{"name":"a","version":"1","roles":{"web":{"command":["x"],"port":1}}}'),
      'InvalidDescriptor',
      { path: 'roles.web.port', message: 'is not a known field here' },
    ],
    [
      'a program that is not there',
      () => writeFile(join(source, 'dayu.json'), '{"name":"a","version":"1","roles":{"web":{"command":["./run"]}}}'),
      'InvalidDescriptor',
      { path: 'roles.web.command[0]', message: 'there is no file "./run" in the package' },
    ],
    [
      'a program that cannot be run',
      () => writeFile(join(source, 'dayu.json'), '{"name":"a","version":"1","roles":{"web":{"command":["./server.mjs"]}}}'),
      'InvalidDescriptor',
      { path: 'roles.web.command[0]', message: '"./server.mjs" is not executable' },
    ],
    [
      'a link that leads outside',
      () => symlink('../outside', join(source, 'link')),
      'BadPackage',
      { path: 'link', message: expect.stringContaining('leads out of the package') },
    ],
  ])('is not made of a directory with %s', async (_, spoil, code, problem) => {
    await spoil();
    await expect(packDirectory(source)).rejects.toMatchObject({ code, details: { problems: [problem] } });
  });
});

describe('unpacking', () => {
  test.each<[string, () => Buffer, RegExp]>([
    ['a path that leads outside', () => archiveOf({ path: 'a' }, { path: '../evil', content: 'x' }), /evil leads out/],
    ['an absolute path', () => archiveOf({ path: '/tmp/evil', content: 'x' }), /absolute/],
    ['a link that leads outside', () => archiveOf({ path: 'a', type: 'SymbolicLink', linkpath: '../..' }), /leads out/],
    [
      'a file through a link',
      () => archiveOf({ path: 'a', type: 'SymbolicLink', linkpath: 'b' }, { path: 'a/evil', content: 'x' }),
      /below a symlink/,
    ],
    ['a hard link that leads outside', () => archiveOf({ path: 'a', type: 'Link', linkpath: '../../etc/passwd' }), /leads out/],
    ['a device', () => archiveOf({ path: 'a', type: 'CharacterDevice' }), /neither a file/],
    ['nothing', () => archiveOf(), /./],
    ['what is no archive', () => gzipSync('x'.repeat(2_000)), /./],
    ['what is not packed', () => Buffer.from('just text, and more than nothing of it'), /./],
  ])('refuses %s, and writes nothing', async (_, archive, message) => {
    await expect(unpack(archive())).rejects.toMatchObject({ code: 'BadPackage', message: expect.stringMatching(message) });
    await untouched();
  });

  test('refuses another content than was asked for, and writes nothing', async () => {
    const { archive, digest } = await packDirectory(source);
    archive[archive.length - 1]! ^= 1;
    await expect(unpack(archive, digest)).rejects.toMatchObject({ code: 'BadPackage', details: { digest, found: digestOf(archive) } });
    await untouched();
  });

  test.each([0.2, 0.5, 0.9])('refuses an archive that was cut off at %d of its length', async (share) => {
    await writeFile(join(source, 'noise'), Buffer.from(Array.from({ length: 20_000 }, (_, i) => (i * 7919) % 251)));
    const { archive } = await packDirectory(source);
    await expect(unpack(archive.subarray(0, Math.floor(archive.length * share)))).rejects.toMatchObject({ code: 'BadPackage' });
    await untouched();
  });
});
