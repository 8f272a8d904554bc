import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
    expect(await fsJson('put', join(here, 'tree'), '/tree')).toEqual({ files: 2, directories: 4, bytes: 6 });
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

  test.each(['put', 'get', 'cat', 'ls', 'stat', 'rm', 'mkdir', 'mv'])('the help of %s has an example', async (verb) => {
    const ran = await feitian('fs', verb, '--help');
    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain(`$ `);
    expect(ran.stdout).toContain(`feitian fs ${verb}`);
  });
});
