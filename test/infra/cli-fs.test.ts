import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { register as registerFs } from '../../infra/cli/commands/fs.ts';
import { register as registerNuwa } from '../../infra/cli/commands/nuwa.ts';
import { openStage, type Ran, runVerbs, type Stage } from './cli-stage.ts';

describe('feitian fs and feitian nuwa', () => {
  let stage: Stage;
  let here: string;
  beforeAll(async () => {
    stage = await openStage();
  });
  afterAll(() => stage?.stop());
  beforeEach(async () => {
    here = await mkdtemp(join(tmpdir(), 'feitian-test-files-'));
  });
  afterEach(() => rm(here, { recursive: true }));

  const feitian = (...args: string[]): Promise<Ran> => {
    const [group, verb, ...rest] = args;
    return runVerbs([registerFs, registerNuwa], [group!, verb!, '--dir', stage.dir, ...rest]);
  };
  const fs = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await feitian('fs', ...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout;
  };
  const below =
    (group: string) =>
    (...args: string[]): Promise<Ran> =>
      runVerbs([registerFs], ['fs', group, ...args, '--dir', stage.dir]);
  const [quota, trash, attr] = [below('quota'), below('trash'), below('attr')];
  const fsJson = async (...args: string[]): Promise<unknown> => JSON.parse(await fs(...args, '--json'));

  test('a file that was put comes back byte for byte', async () => {
    const bytes = randomBytes(300_000);
    await writeFile(join(here, 'a.bin'), bytes);
    expect(await fs('put', join(here, 'a.bin'), '/a.bin')).toBe('1 file, 293 KiB\n');
    await fs('get', '/a.bin', join(here, 'b.bin'));
    expect(bytes.equals(await readFile(join(here, 'b.bin')))).toBe(true);
    expect(bytes.equals((await feitian('fs', 'cat', '/a.bin')).bytes)).toBe(true);
  });

  test('directories are copied whole, both ways', async () => {
    await mkdir(join(here, 'tree/deep/er'), { recursive: true });
    await mkdir(join(here, 'tree/empty'));
    await writeFile(join(here, 'tree/one'), 'one');
    await writeFile(join(here, 'tree/deep/er/two'), 'two');
    expect(await fsJson('put', join(here, 'tree'), '/tree')).toEqual({ files: 2, directories: 4, bytes: 6, skipped: 0, failed: [] });
    expect(await fs('ls', '/tree')).toBe('deep/\nempty/\none\n');
    await fs('get', 'pangu://local/tree', join(here, 'back'));
    expect((await readdir(join(here, 'back'), { recursive: true })).sort()).toEqual(['deep', 'deep/er', 'deep/er/two', 'empty', 'one']);
    expect(await readFile(join(here, 'back/deep/er/two'), 'utf8')).toBe('two');
  });

  test('several sources go into the destination, and so does one when it is a directory', async () => {
    for (const name of ['x', 'y', 'z']) await writeFile(join(here, name), name);
    await fs('put', join(here, 'x'), join(here, 'y'), 'pangu://local/into');
    await fs('put', join(here, 'z'), '/into');
    expect(await fs('ls', '/into')).toBe('x\ny\nz\n');
    await fs('get', '/into/?', here);
    expect(await fs('cat', '/into/*')).toBe('xyz');
  });

  test('stat tells where the chunks lie, and put takes their length', async () => {
    await writeFile(join(here, 'big'), Buffer.alloc(200_000, 'x'));
    await fs('put', '--chunk', '64KiB', '--replicas', '1', join(here, 'big'), '/big');
    const stat = await fsJson('stat', '/big');
    expect(stat).toMatchObject({ type: 'file', size: 200_000, chunkBytes: 65_536, replicas: 1 });
    expect((stat as { chunks: { nodes: string[] }[] }).chunks.map((chunk) => chunk.nodes.length)).toEqual([1, 1, 1, 1]);
    expect(await fs('stat', '/big')).toMatch(/size {6}195 KiB \(200,000 bytes\)\nchunks {4}4 of up to 64 KiB, 1 copies each/);
    expect(await fs('ls', '-l', '/big')).toMatch(
      /^type {2}owner {2}copies {5}size {2}modified {13}name\nfile {14}1 {2}195 KiB {2}\S+ \S+ {2}big\n$/,
    );
  });

  test('mkdir, mv and rm do what their namesakes do', async () => {
    await fs('mkdir', '-p', '/m/a/b');
    expect(await feitian('fs', 'mkdir', '/m/a')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^feitian: EEXIST: .*\n$/) });
    await writeFile(join(here, 'f'), 'f');
    await fs('put', join(here, 'f'), '/m/f');
    await fs('mv', '/m/f', '/m/g');
    await fs('mv', '/m/g', '/m/a');
    expect(await fs('ls', '/m/a')).toBe('b/\ng\n');
    expect(await feitian('fs', 'rm', '/m')).toMatchObject({ code: 1, stderr: expect.stringContaining('add -r') });
    expect(await fsJson('rm', '-r', '/m')).toEqual({ removed: ['/m'] });
    await fs('rm', '-f', '/m');
    expect(await feitian('fs', 'ls', '/m')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^feitian: ENOENT: .*\(see what is there with: feitian fs ls\)\n$/),
    });
  });

  test('cat as JSON keeps bytes that are no text', async () => {
    await writeFile(join(here, 'text'), '飞天');
    await writeFile(join(here, 'bytes'), Buffer.from([0xff, 0x00]));
    await fs('put', join(here, 'text'), join(here, 'bytes'), '/mixed');
    expect(await fsJson('cat', '/mixed/*')).toEqual([
      { path: expect.stringMatching(/\/mixed\/bytes$/), encoding: 'base64', content: '/wA=' },
      { path: expect.stringMatching(/\/mixed\/text$/), encoding: 'utf8', content: '飞天' },
    ]);
  });

  test('du and df tell what lies where, and how much room there is', async () => {
    await mkdir(join(here, 'd/sub'), { recursive: true });
    for (const name of ['d/one', 'd/sub/two']) await writeFile(join(here, name), 'x'.repeat(1_000));
    await fs('put', join(here, 'd'), '/du');
    expect(await fs('du', '/du')).toMatch(/^files .*\n +1 .* \/du\/sub\n +2 .* \/du\n$/);
    expect(await fsJson('du', '-a', '/du')).toMatchObject([
      { path: '/du/one', files: 1, logicalBytes: 1_000, storedBytes: 2_000 },
      { path: '/du/sub', files: 1, directories: 1, logicalBytes: 1_000 },
      { path: '/du', files: 2, directories: 2, logicalBytes: 2_000, storedBytes: 4_000 },
    ]);
    expect(await fsJson('du', '-s', '/du')).toHaveLength(1);
    expect(await feitian('fs', 'du', '-s', '-a', '/du')).toMatchObject({ code: 2 });
    expect(await fsJson('df')).toMatchObject({ totalBytes: expect.any(Number), nodes: [{ node: 'node-1', up: true }, { node: 'node-2' }] });
    expect(await fs('df')).toMatch(/^node +rack +state +size +pangu +free +full\nnode-1 +rack-a +up .*\nnode-2 .*\nall /);
  });

  test('quotas are set, seen, kept to and taken away', async () => {
    await fs('mkdir', '/q');
    await fs('mkdir', '/q/below');
    expect(await quota('set', '/q', '--files', '1', '--bytes', '1MiB')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('1 MiB  /q'),
    });
    await writeFile(join(here, 'f'), 'f');
    await fs('put', join(here, 'f'), '/q/f');
    expect(await feitian('fs', 'put', join(here, 'f'), '/q/g')).toMatchObject({ code: 1, stderr: expect.stringContaining('quota ls') });
    expect(JSON.parse((await quota('ls', '/q/below', '--json')).stdout)).toEqual([
      { path: '/q', files: 1, filesMax: 1, bytes: 1, bytesMax: 1_048_576 },
    ]);
    expect((await quota('check')).stdout).toBe('1 counted, 0 wrong\n');
    for (const wrong of [['/q'], ['/q', '--files', '1.5'], ['/q', '--bytes', 'lots']]) expect((await quota('set', ...wrong)).code).toBe(2);
    await quota('clear', '/q');
    expect((await quota('ls', '/q')).stdout).toBe('nothing limits it\n');
  });

  test('what was removed comes back from the trash, to where it stood or elsewhere', async () => {
    await writeFile(join(here, 'f'), 'kept');
    for (const name of ['f', 'g']) await fs('put', join(here, 'f'), `/t/${name}`);
    await fs('rm', '-r', '/t/*');
    const place = '/.trash/nobody/*/t';
    expect(JSON.parse((await trash('ls', '--json')).stdout)).toMatchObject([{ user: 'nobody', files: expect.any(Number) }]);
    expect(await trash('restore', `${place}/f`)).toMatchObject({ code: 0, stdout: '/t/f\n' });
    await fs('put', join(here, 'f'), '/t/g');
    expect(await trash('restore', `${place}/g`)).toMatchObject({ code: 1, stderr: expect.stringContaining('EEXIST') });
    expect((await trash('restore', `${place}/g`, '--to', '/t/h')).code).toBe(0);
    expect(await fs('cat', '/t/*')).toBe('keptkeptkept');
    expect(await trash('restore', '/t/f')).toMatchObject({ code: 2 });
    expect(await trash('empty', '--older', '1h')).toMatchObject({ stdout: 'nothing was due\n' });
    expect((await trash('retention', '2h')).stdout).toBe('2 h 00 min\n');
    expect((await trash('retention', 'long')).code).toBe(2);
  });

  test('owners, copies and attributes are changed, of trees too', async () => {
    await mkdir(join(here, 'a/b'), { recursive: true });
    await writeFile(join(here, 'a/b/f'), 'f');
    await fs('put', join(here, 'a'), '/attr');
    expect(await fs('chown', '-R', 'user/alice', '/attr')).toBe('3 changed\n');
    expect(await fsJson('stat', '/attr/b/f')).toMatchObject({ owner: 'user/alice' });
    expect((await feitian('fs', 'chown', '', '/attr')).code).toBe(2);
    expect(await fs('setrep', '-R', '2', '/attr')).toBe('1 file\n');
    expect(await feitian('fs', 'setrep', '2', '/attr')).toMatchObject({ code: 1, stderr: expect.stringContaining('-R') });
    for (const copies of ['0', '17', 'two']) expect((await feitian('fs', 'setrep', copies, '/attr')).code).toBe(2);
    expect((await attr('set', '/attr', 'user.language=zh=1')).code).toBe(0);
    expect((await attr('ls', '/attr')).stdout).toBe('user.language = zh=1\n');
    expect((await attr('get', '/attr', 'user.language')).stdout).toBe('zh=1');
    await attr('rm', '/attr', 'user.language');
    expect(await attr('get', '/attr', 'user.language')).toMatchObject({ code: 1, stderr: expect.stringContaining('ENODATA') });
    expect((await attr('set', '/attr', 'no-value')).code).toBe(2);
  });

  test('tail prints the last lines, or bytes', async () => {
    await writeFile(join(here, 'f'), Array.from({ length: 30 }, (_, i) => `line ${i}\n`).join(''));
    await fs('put', join(here, 'f'), '/tailed');
    expect(await fs('tail', '-n', '2', '/tailed')).toBe('line 28\nline 29\n');
    expect((await fs('tail', '/tailed')).split('\n')).toHaveLength(11);
    expect(await fsJson('tail', '-c', '3', '/tailed')).toMatchObject({ offset: 227, content: '29\n' });
    for (const wrong of [
      ['-n', '-1'],
      ['-c', 'x'],
      ['-f', '--json'],
    ])
      expect((await feitian('fs', 'tail', ...wrong, '/tailed')).code).toBe(2);
    expect((await feitian('fs', 'tail', '/')).stderr).toContain('EISDIR');
  });

  test('cp, mv and rm take directories that a pattern names, and never the root or the trash', async () => {
    await fs('mkdir', '-p', '/p/x/y');
    await writeFile(join(here, 'f'), 'f');
    await fs('put', join(here, 'f'), '/p/x/y/f');
    expect(await fsJson('cp', '-r', '/p/*', '/p2/')).toMatchObject({ files: 1, directories: 2 });
    expect(await feitian('fs', 'cp', '-r', '/p', '/p/x/in')).toMatchObject({ code: 1, stderr: expect.stringContaining('inside /p') });
    expect(await feitian('fs', 'mv', '/p/x', '/p2/x', '/nowhere')).toMatchObject({ code: 1, stderr: expect.stringContaining('ENOENT') });
    expect(await fsJson('rm', '-r', '/p2/*')).toEqual({ removed: ['/p2/x'] });
    expect(await feitian('fs', 'rm', '-r', '/')).toMatchObject({ code: 1, stderr: expect.stringContaining('EINVAL') });
    expect((await feitian('fs', 'rm', '/{p,.trash}')).stderr).toContain('/p is a directory');
    expect(await feitian('fs', 'rm', '/.tras?')).toMatchObject({ code: 1, stderr: expect.stringContaining('nothing matches') });
  });

  test.each([
    [['fs', 'put', 'only-one'], 2, 'name at least one source'],
    [['fs', 'put', '--chunk', '1000', 'a', '/b'], 2, 'multiple of 64 KiB'],
    [['fs', 'put', '/no/such/file', '/b'], 1, '/no/such/file is not there'],
    [['fs', 'get', '/no/*', '.'], 1, 'nothing matches /no/*'],
    [['fs', 'cat', 'relative'], 1, 'EINVAL'],
    [['fs', 'unknown'], 2, ''],
    [['nuwa', 'get', '/no/such/node'], 1, 'NoNode'],
  ])('%j ends with %d and says why', async (args, code, text) => {
    const ran = await feitian(...args);
    expect(ran).toMatchObject({ code, stdout: '' });
    expect(ran.stderr).toContain(text);
  });

  test('without a cluster it says how to start one', async () => {
    const ran = await runVerbs([registerFs], ['fs', 'ls', '--dir', here]);
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringMatching(/^feitian: NotRunning: no cluster is up in .*feitian up/) });
  });

  test('the coordination tree can be walked and read', async () => {
    expect((await feitian('nuwa', 'ls')).stdout).toContain('services/\n');
    expect((await feitian('nuwa', 'ls', '/services/pangu-chunk')).stdout).toBe('node-1\nnode-2\n');
    const { children } = JSON.parse((await feitian('nuwa', 'ls', '--json', '/services/pangu-chunk/')).stdout);
    expect(children[1]).toMatchObject({ path: '/services/pangu-chunk/node-2', value: { node: 'node-2', rack: 'rack-b' } });
    expect(JSON.parse((await feitian('nuwa', 'get', '/services/pangu-chunk/node-1')).stdout)).toMatchObject({ node: 'node-1' });
  });

  test('every verb has help with an example of it, and takes --json', async () => {
    const program = new Command('feitian');
    registerFs(program);
    const look = (command: Command, words: string): string[] =>
      command.commands.flatMap((child) => {
        const name = `${words} ${child.name()}`;
        if (child.commands.length > 0) return look(child, name);
        let help = '';
        child.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
        return help.includes(`  $ feitian${name}`) || help.includes(`| feitian${name}`)
          ? help.includes('--json')
            ? []
            : [`${name}: --json`]
          : [`${name}: example`];
      });
    expect(look(program, '')).toEqual([]);
  });
});
