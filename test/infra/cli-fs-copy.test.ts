import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { watch } from 'node:fs';
import { appendFile, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { register } from '../../infra/cli/commands/fs.ts';
import { inCluster } from '../../infra/cli/ui/cluster.ts';
import { partPath } from '../../infra/cli/ui/copy/get.ts';
import { CopyJournal } from '../../infra/cli/ui/copy/journal.ts';
import { createPangu } from '../../services/pangu/client.ts';
import { crc } from '../../services/pangu/crc.ts';
import { mountSmallDisk, unmountDisk, whyNoMounts } from '../helpers/small-disks.ts';
import { openStage, type Ran, runVerbs, type Stage } from './cli-stage.ts';
import { startFeitian } from './feitian.ts';

const MIB = 1024 * 1024;

let stage: Stage;
let here: string;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage?.stop());
beforeEach(async () => {
  here = await mkdtemp(join(tmpdir(), 'feitian-test-copy-'));
});
afterEach(() => rm(here, { recursive: true }));

const fs = (verb: string, ...rest: string[]): Promise<Ran> => runVerbs([register], ['fs', verb, ...rest, '--dir', stage.dir]);
const copied = async (...args: [string, ...string[]]) => {
  const { code, stdout } = await fs(...args, '--json');
  return { code, ...JSON.parse(stdout) } as {
    code: number;
    files: number;
    skipped: number;
    bytes: number;
    failed: { path: string; why: string }[];
  };
};
const journals = (): Promise<string[]> => readdir(join(stage.dir, 'copies')).catch(() => []);

describe('a copy that was interrupted', () => {
  test('by SIGKILL goes on: what was finished is not sent again, and everything is there', async () => {
    const files = 300;
    await mkdir(join(here, 'tree'));
    for (let i = 0; i < files; i++) await writeFile(join(here, 'tree', `f${i}`), `${i}`.repeat(20));
    await mkdir(join(stage.dir, 'copies'), { recursive: true });
    const changes = watch(join(stage.dir, 'copies'));
    const { child, ended } = startFeitian(['fs', 'put', '--dir', stage.dir, join(here, 'tree'), '/killed']);
    const lines = async (): Promise<number> => {
      const [name] = await journals();
      return name ? (await readFile(join(stage.dir, 'copies', name), 'utf8')).split('\n').length : 0;
    };
    const begun = new Promise<void>((resolve) => {
      changes.on('change', async () => (await lines()) > 30 && resolve());
      void ended.then(() => resolve());
    });
    await begun;
    child.kill('SIGKILL');
    expect((await ended).signal).toBe('SIGKILL');
    changes.close();

    const again = await copied('put', join(here, 'tree'), '/killed');
    expect(again).toMatchObject({ code: 0, failed: [] });
    expect(again.skipped).toBeGreaterThan(20);
    expect(again.skipped).toBeLessThan(files);
    expect(again.files + again.skipped).toBe(files);
    expect(await journals()).toEqual([]);
    await fs('get', '/killed', join(here, 'back'));
    for (let i = 0; i < files; i++) expect(await readFile(join(here, 'back', `f${i}`), 'utf8')).toBe(`${i}`.repeat(20));
  });

  test('sends again what changed meanwhile, on either side, also with the same length and time', async () => {
    await mkdir(join(here, 't'));
    for (const name of ['a', 'b', 'c', 'd']) await writeFile(join(here, 't', name), `${name}${name}`);
    await symlink('nowhere', join(here, 't', 'broken')); // so that it does not finish
    expect(await copied('put', join(here, 't'), '/changed')).toMatchObject({ code: 1, files: 4, skipped: 0 });
    const { atime, mtime } = await stat(join(here, 't/a'));
    await writeFile(join(here, 't/a'), 'AA');
    await utimes(join(here, 't/a'), atime, mtime);
    await fs('rm', '--skip-trash', '/changed/b');
    await writeFile(join(here, 'other'), 'xx');
    await fs('put', join(here, 'other'), '/changed/c');
    await rm(join(here, 't/broken'));
    expect(await copied('put', join(here, 't'), '/changed')).toMatchObject({ files: 3, skipped: 1 });
    expect((await fs('cat', '/changed/*')).stdout).toBe('AAbbccdd');
  });

  test('fetches of a large file what is lacking, unless what is there is not what it was', async () => {
    const bytes = randomBytes(2 * MIB);
    await writeFile(join(here, 'big'), bytes);
    await fs('put', join(here, 'big'), '/big');
    const { size, createdAtMs, modifiedAtMs } = JSON.parse((await fs('stat', '/big', '--json')).stdout);
    const source = `${size}:${createdAtMs}:${modifiedAtMs}`;
    for (const [name, sum, sent] of [
      ['right', crc(bytes.subarray(0, MIB)), MIB],
      ['wrong', 7, 2 * MIB],
    ] as const) {
      const to = join(here, name);
      const journal = await CopyJournal.open(stage.dir, ['local', 'get', '/big', to]);
      await journal.addPart(to, { source, length: MIB, crc: sum });
      await journal.close(false);
      await writeFile(partPath(to), Buffer.concat([bytes.subarray(0, MIB), randomBytes(1_000)]));
      expect(await copied('get', '/big', to)).toMatchObject({ code: 0, files: 1, bytes: sent });
      expect((await readFile(to)).equals(bytes)).toBe(true);
    }
    expect((await readdir(here)).sort()).toEqual(['big', 'right', 'wrong']);
  });

  test('leaves no journal of a copy that was refused, and survives one that is cut short', async () => {
    await writeFile(join(here, 'f'), 'f');
    await fs('put', join(here, 'f'), '/f');
    expect((await fs('put', join(here, 'none'), '/none')).code).toBe(1);
    expect(await fs('put', here, '/f')).toMatchObject({ code: 1, stderr: expect.stringContaining('EEXIST') });
    expect(await journals()).toEqual([]);
    const journal = await CopyJournal.open(stage.dir, ['local', 'put', join(here, 'f'), '/f', '', '']);
    await journal.addDone('/f', { source: 'x', target: 'y' });
    await journal.close(false);
    await appendFile(join(stage.dir, 'copies', (await journals())[0]!), '\n{"done":"/f","sour');
    expect(await copied('put', join(here, 'f'), '/f')).toMatchObject({ files: 1, skipped: 0 });
  });
});

test('tail -f goes on with what is added, until it is interrupted', async () => {
  await writeFile(join(here, 'log'), 'one\ntwo\n');
  await fs('put', join(here, 'log'), '/log');
  const { child, ended, said } = startFeitian(['fs', 'tail', '-n', '1', '-f', '/log', '--dir', stage.dir]);
  await said(/^two\n$/);
  await inCluster(stage.dir, async ({ cluster, kuafu, nuwa }) => {
    const file = await createPangu({ cluster: cluster.name, kuafu, nuwa }).open('/log', 'a');
    await file.write(Buffer.from('three\n'));
    await file.close();
  });
  await said(/^two\nthree\n$/);
  child.kill('SIGINT');
  expect(await ended).toMatchObject({ code: 130, stdout: 'two\nthree\n', stderr: '' });
});

test('what cannot be copied is told, each by its name, and the rest is', async () => {
  await mkdir(join(here, 't/empty'), { recursive: true });
  await writeFile(join(here, 't', 'new\nline [1]{a}*.txt'), 'odd');
  await writeFile(Buffer.concat([Buffer.from(join(here, 't/')), Buffer.from([0xff, 0xfe])]), 'no name');
  await symlink('nowhere', join(here, 't/broken'));
  await symlink('.', join(here, 't/loop'));
  await symlink('new\nline [1]{a}*.txt', join(here, 't/link'));
  const ran = await fs('put', join(here, 't'), '/odd');
  expect(ran).toMatchObject({ code: 1, stdout: '2 files, 6 B; 3 not copied\n' });
  expect(ran.stderr).toMatch(/broken: ENOENT/);
  expect(ran.stderr).toMatch(/loop: ELOOP/);
  expect(ran.stderr).toMatch(/its name is not UTF-8/);
  expect((await fs('ls', '/odd')).stdout).toBe('empty/\nlink\nnew\\x0aline [1]{a}*.txt\n');
  expect((await fs('cat', '/odd/new\nline [1]{a}*.txt')).stdout).toBe('odd');
  await fs('get', '/odd', join(here, 'back'));
  expect((await readdir(join(here, 'back'))).sort()).toEqual(['empty', 'link', 'new\nline [1]{a}*.txt']);
});

test('a file that changes while it is put is not taken for whole', async () => {
  // Such a file has no length and yet something to read.
  expect(await copied('put', '/proc/self/status', '/status')).toMatchObject({
    code: 1,
    files: 0,
    failed: [{ path: '/proc/self/status', why: 'it changed while it was read' }],
  });
  expect((await fs('stat', '/status')).code).toBe(1);
});

test('two sources that would become one file are refused before a byte moves', async () => {
  await mkdir(join(here, 'x'));
  for (const name of ['f', 'x/f']) await writeFile(join(here, name), name);
  const ran = await fs('put', join(here, 'f'), join(here, 'x/f'), '/twice');
  expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining('would both become /twice/f') });
  expect((await fs('ls', '/twice/*')).code).toBe(1);
});

test('a quota ends a put, and says how to go on', async () => {
  await fs('mkdir', '/small');
  await fs('quota', 'set', '/small', '--bytes', '1k');
  await writeFile(join(here, 'f'), Buffer.alloc(2_000));
  const ran = await fs('put', join(here, 'f'), '/small');
  expect(ran).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/^feitian: EDQUOT: .*\(see the limits with: feitian fs quota ls\)\n$/),
  });
  expect((await fs('ls', '/small')).stdout).toBe('');
});

test('--skip-same leaves out what has the same bytes, and nothing else', async () => {
  await mkdir(join(here, 's'));
  for (const name of ['a', 'b']) await writeFile(join(here, 's', name), name);
  await fs('put', join(here, 's'), '/same');
  await writeFile(join(here, 's/b'), 'B');
  expect(await copied('put', '--skip-same', join(here, 's/a'), join(here, 's/b'), '/same')).toMatchObject({ files: 1, skipped: 1 });
  await fs('get', '/same', join(here, 'got'));
  expect(await copied('get', '--skip-same', '/same/*', join(here, 'got'))).toMatchObject({ files: 0, skipped: 2 });
  await fs('cp', '-r', '/same', '/same2');
  expect(await copied('cp', '--skip-same', '-r', '/same/*', '/same2')).toMatchObject({ files: 0, skipped: 2 });
  expect((await fs('cat', '/same2/*')).stdout).toBe('aB');
});

describe.skipIf(whyNoMounts())('a full disk', () => {
  test('ends a get, and leaves nothing under the name', async () => {
    const disk = join(here, 'disk');
    mountSmallDisk(disk, 1);
    try {
      await writeFile(join(here, 'f'), randomBytes(2 * MIB));
      await fs('put', join(here, 'f'), '/full');
      expect(await fs('get', '/full', join(disk, 'f'))).toMatchObject({ code: 1, stderr: expect.stringContaining('ENOSPC') });
      expect(await readdir(disk)).toEqual([]);
    } finally {
      unmountDisk(disk);
    }
  });
});

describe('a get to what is no plain file', () => {
  const bytes = randomBytes(3 * MIB);
  beforeEach(async () => {
    await writeFile(join(here, 'bytes'), bytes);
    expect((await fs('put', join(here, 'bytes'), '/plain')).code).toBe(0);
    await rm(join(here, 'bytes'));
  });

  test('follows a link: its target has the bytes, and it is a link still', async () => {
    await writeFile(join(here, 'target'), 'old');
    await symlink('target', join(here, 'link'));
    expect(await copied('get', '/plain', join(here, 'link'))).toMatchObject({ code: 0, files: 1 });
    expect((await lstat(join(here, 'link'))).isSymbolicLink()).toBe(true);
    expect((await readFile(join(here, 'target'))).equals(bytes)).toBe(true);
    expect((await readdir(here)).sort()).toEqual(['link', 'target']);
  });

  test('tells a link that leads nowhere, and leaves it', async () => {
    await symlink('nowhere', join(here, 'link'));
    expect(await copied('get', '/plain', join(here, 'link'))).toMatchObject({
      code: 1,
      failed: [{ why: 'it is a link that leads nowhere' }],
    });
    expect(await readdir(here)).toEqual(['link']);
  });

  test('gives a pipe its bytes, and leaves it where it is', async () => {
    const pipe = join(here, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const [read, got] = await Promise.all([readFile(pipe), copied('get', '/plain', pipe)]);
    expect(got).toMatchObject({ code: 0, files: 1, bytes: bytes.length });
    expect(read.equals(bytes)).toBe(true);
    expect((await lstat(pipe)).isFIFO()).toBe(true);
  });
});
