import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { register } from '../../infra/cli/commands/nuwa.ts';
import type { NuwaClient } from '../../services/nuwa/contract.ts';
import { Harness, leaderOf, type NuwaServer } from '../services/nuwa/harness.ts';
import { type Ran, runVerbs } from './cli-stage.ts';
import { startFeitian } from './feitian.ts';

describe('feitian nuwa', () => {
  const harness = new Harness();
  let servers: NuwaServer[];
  let addresses: string;
  let client: NuwaClient;
  let here: string;
  beforeAll(async () => {
    servers = await harness.group(3);
    addresses = servers.map(({ address }) => address.replace('tcp://', '')).join(',');
    client = await harness.client(servers.map(({ address }) => address));
  });
  afterAll(() => harness.close());
  beforeEach(async () => {
    here = await mkdtemp(join(tmpdir(), 'feitian-test-nuwa-'));
  });
  afterEach(() => rm(here, { recursive: true }));

  const ran = (...args: string[]): Promise<Ran> => runVerbs([register], ['nuwa', ...args, '--nuwa', addresses]);
  const nuwa = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await ran(...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout;
  };
  const json = async (...args: string[]) => JSON.parse(await nuwa(...args, '--json'));

  describe('nodes', () => {
    test('are made, read, changed and removed', async () => {
      expect(await nuwa('create', '--parents', '/config/limit', '10')).toBe('/config/limit\n');
      expect(await nuwa('get', '/config/limit')).toBe('10');
      expect(await nuwa('get', '/config/limit/')).toBe('10');
      expect(await json('set', '/config/limit', '12')).toMatchObject({ path: '/config/limit', version: 1 });
      expect(await json('get', '/config/limit')).toMatchObject({ value: 12, version: 1, creator: 'feitian' });
      expect(await nuwa('ls', '/config')).toBe('limit\n');
      expect(await ran('rm', '/config')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^feitian: NotEmpty: .*--recursive/) });
      expect(await nuwa('rm', '--recursive', '/config')).toBe('');
      expect(await ran('get', '/config')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^feitian: NoNode: .*feitian nuwa ls/) });
    });

    test('take their values from a file, byte for byte', async () => {
      const bytes = Buffer.from([0xff, 0x00, 0x0a]);
      await writeFile(join(here, 'value'), bytes);
      await nuwa('create', '/binary', '--file', join(here, 'value'));
      expect((await ran('get', '/binary')).bytes.equals(bytes)).toBe(true);
      expect(await json('get', '/binary')).toMatchObject({ base64: '/wAK' });
      await nuwa('rm', '/binary');
    });

    test('are changed and removed only at the version that was seen', async () => {
      await nuwa('create', '/guarded', 'a');
      expect(await ran('set', '/guarded', 'b', '--version', '7')).toMatchObject({ code: 1, stderr: expect.stringContaining('BadVersion') });
      await nuwa('set', '/guarded', 'b', '--version', '0');
      expect(await ran('rm', '/guarded', '--version', '0')).toMatchObject({ code: 1, stderr: expect.stringContaining('BadVersion') });
      await nuwa('rm', '/guarded', '--version', '1');
    });

    test('can be numbered, containers, or go by themselves', async () => {
      await nuwa('create', '/queue');
      expect(await nuwa('create', '--sequential', '/queue/job-')).toBe('/queue/job-0000000000\n');
      expect(await nuwa('create', '--sequential', '/queue/job-')).toBe('/queue/job-0000000001\n');
      await nuwa('create', '--container', '/box');
      await nuwa('create', '--ttl', '10m', '/short');
      expect(await client.get('/box')).toMatchObject({ container: true });
      expect(await client.get('/short')).toMatchObject({ ttlMs: 600_000 });
      expect(await nuwa('ls', '-l', '/')).toMatch(/feitian \(container\).* box\n/);
      for (const path of ['/queue', '/box', '/short']) await nuwa('rm', '--recursive', path);
    });
  });

  test.each([
    [['create', '--ephemeral', '/x'], 2, 'add --hold'],
    [['create', '--ttl', 'soon', '/x'], 2, '--ttl soon is not a time'],
    [['create', '--ttl', '1m', '--container', '/x'], 1, 'BadArguments'],
    [['set', '/x'], 2, 'name the value'],
    [['set', '/x', 'a', '--file', 'b'], 2, 'not both'],
    [['set', '/x', '--file', '/no/such/file'], 1, '/no/such/file is not there'],
    [['set', '/x', 'a', '--version', 'one'], 2, 'not a whole number'],
    [['get', 'relative'], 1, 'BadPath'],
    [['get', '/x//'], 1, 'BadPath'],
    [['create', '--sequential', '/x/'], 2, 'such as /x/job-'],
    [['lock', '/locks/x'], 2, "missing required argument 'command'"],
    [['lock', '--ttl', '1ms', '/locks/x', 'true'], 2, '--ttl 1ms is not between 100 ms and 10 min'],
    [['lock', '--ttl', '1h', '/locks/x', 'true'], 2, '--ttl 1h is not between 100 ms and 10 min'],
    [['members', 'add', '', 'h:1'], 2, 'name the server'],
    [['members', 'add', 'a b', 'h:1'], 1, '"a b" is no name of a server'],
    [['members', 'add', 'nuwa-4', 'nonsense'], 1, 'tcp://nonsense is not where a server can answer'],
    [['members', 'add', 'nuwa-4', 'h:99999'], 1, 'tcp://h:99999 is not where a server can answer'],
    [['members', 'add', 'nuwa-1', 'h:1'], 1, 'nuwa-1 is a member already'],
    [['members', 'grow', 'x'], 2, ''],
    [['members', 'promote', 'nuwa-9'], 1, 'BadMembers'],
    [['members', 'remove', 'nuwa-9', '--dir', 'x', '--json', 'y'], 2, 'too many arguments'],
    [['snapshot', '/no/such/directory/file'], 1, 'is not there'],
  ])('%j ends with %d and says why', async (args, code, text) => {
    const { code: actual, stdout, stderr } = await ran(...args);
    expect({ actual, stdout }).toEqual({ actual: code, stdout: '' });
    expect(stderr).toContain(text);
  });

  test('servers that are named wrongly, or do not answer, are told of', async () => {
    expect(await runVerbs([register], ['nuwa', 'ls', '--nuwa', 'nowhere'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--nuwa nowhere is not a list of host:port'),
    });
    const silent = await runVerbs([register], ['nuwa', 'status', '--nuwa', '127.0.0.1:1']);
    expect(silent).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/127\.0\.0\.1:1 +no answer[\s\S]*no server answers at tcp:\/\/127\.0\.0\.1:1: connect ECONNREFUSED/),
    });
    for (const args of [['members'], ['members', 'promote', 'nuwa-2'], ['snapshot', join(here, 'none')], ['check']])
      expect(await runVerbs([register], ['nuwa', ...args, '--nuwa', '127.0.0.1:1'])).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^feitian: no server answers at tcp:\/\/127\.0\.0\.1:1: connect ECONNREFUSED/),
      });
  });

  describe('watch', () => {
    test('prints what changed after a revision, as lines or as documents', async () => {
      const { revision } = await client.create('/watched', Buffer.from('1'));
      await client.set('/watched', Buffer.from('a\nb'));
      await client.create('/watched/below', Buffer.alloc(0));
      await client.delete('/watched', { recursive: true });
      const after = ['watch', '--recursive', '--after', `${revision}`];
      expect(await nuwa(...after, '--count', '3', '/watched')).toBe(
        `${revision + 1}  changed  /watched  a b\n${revision + 2}  created  /watched/below\n${revision + 3}  deleted  /watched/below\n`,
      );
      const lines = (await nuwa(...after, '--count', '1', '--json', '/watched/')).trim().split('\n');
      expect(lines.map((line) => JSON.parse(line))).toEqual([{ kind: 'changed', path: '/watched', revision: revision + 1, value: 'a\nb' }]);
    });

    test('does not wait for a revision that the group never reached: it may be of another one', async () => {
      const { revision } = await client.create('/ahead', Buffer.from('0'));
      const { code, stderr } = await ran('watch', '--after', `${revision + 2}`, '/ahead');
      expect(code).toBe(1);
      expect(stderr).toContain(`revision ${revision + 2} is not of this group`);
    });

    test('goes on until it is interrupted', async () => {
      const watching = startFeitian(['nuwa', 'watch', '--json', '/lasting', '--nuwa', addresses]);
      // It watches from some moment on: changes go on until one is seen.
      await client.create('/lasting', Buffer.alloc(0));
      let seen = false;
      const said = watching.said(/"kind":"changed"/).then(() => (seen = true));
      for (let n = 0; !seen; n++) {
        await client.set('/lasting', Buffer.from(`${n}`));
        await Promise.race([said, new Promise((resolve) => setTimeout(resolve, 50))]);
      }
      watching.child.kill('SIGINT');
      expect(await watching.ended).toMatchObject({ code: 130, stderr: '' });
    });
  });

  test('an ephemeral node is held until the command is ended', async () => {
    const holding = startFeitian(['nuwa', 'create', '--ephemeral', '--hold', '/alive', '--nuwa', addresses]);
    await holding.said(/\/alive/);
    expect(await client.get('/alive')).toMatchObject({ ephemeralOwner: expect.any(String) });
    holding.child.kill('SIGTERM');
    expect((await holding.ended).code).toBe(130);
    await expect(client.get('/alive')).rejects.toMatchObject({ code: 'NoNode' });
  });

  describe('the group', () => {
    test('is shown with who leads and how far the others are', async () => {
      const leader = await leaderOf(servers);
      const shown = await nuwa('status');
      expect(shown.split('\n')).toHaveLength(5);
      for (const { group } of servers) {
        const role = group.id === leader.group.id ? 'leader' : 'follower';
        expect(shown).toMatch(new RegExp(`^${group.id} +${role} +${group.status().term} +\\d+ `, 'm'));
      }
      const told = await json('status');
      expect(told).toMatchObject({ leader: leader.group.id, servers: [{ id: 'nuwa-1' }, { id: 'nuwa-2' }, { id: 'nuwa-3' }] });
    });

    test('is known whole by the address of one', async () => {
      const [one] = addresses.split(',');
      const { stdout, code } = await runVerbs([register], ['nuwa', 'members', '--json', '--nuwa', one!]);
      expect(code).toBe(0);
      expect(JSON.parse(stdout).members.map(({ id, role }: { id: string; role: string }) => `${id} ${role}`)).toEqual([
        'nuwa-1 voter',
        'nuwa-2 voter',
        'nuwa-3 voter',
      ]);
    });

    test('is checked: all servers hold the same tree', async () => {
      await client.create('/checked/a/b', Buffer.from('c'), { parents: true });
      expect(await nuwa('check')).toMatch(/^\d+ nodes on nuwa-1, nuwa-2, nuwa-3: no difference\n$/);
      expect(await json('check')).toMatchObject({ sound: true, problems: [], differences: [] });
    });

    test('has another leader when it is told to', async () => {
      const follower = servers.find(({ group }) => group.leader !== group.id)!;
      expect(await nuwa('members', 'transfer', follower.group.id)).toBe(`${follower.group.id} leads\n`);
      await vi.waitFor(() => expect(servers.map(({ group }) => group.leader)).toEqual(servers.map(() => follower.group.id)));
    });

    test('takes a server in, gives it a vote, shows it when it is away, and lets it go', async () => {
      const [place] = await harness.places(1);
      const address = place!.address.replace('tcp://', '');
      const added = await nuwa('members', 'add', 'nuwa-4', address);
      expect(added).toMatch(new RegExp(`^nuwa-4 +learner +${address}$`, 'm'));
      expect(added).toContain(`feitian run nuwa --nuwa-id nuwa-4 --listen tcp://${address}`);
      const fourth = await harness.member('nuwa-4', [], { address: place!.address });
      await vi.waitFor(async () => expect(await json('status')).toMatchObject({ servers: { 3: { state: 'learner', lag: 0 } } }), {
        timeout: 10_000,
      });
      expect(await nuwa('members', 'promote', 'nuwa-4')).toMatch(/^nuwa-4 +voter/m);
      await fourth.stop();
      const away = await ran('status');
      expect(away.stdout).toMatch(/^nuwa-4 +no answer[\s\S]*nuwa-4 does not answer:/m);
      expect(away.code).toBe(0);
      const probed = await ran('status', '--strict', '--json');
      expect(probed.code).toBe(1);
      expect(JSON.parse(probed.stdout)).toMatchObject({ well: false, problems: [expect.stringMatching(/^nuwa-4 does not answer/)] });
      const { members } = await json('members', 'remove', 'nuwa-4');
      expect(members).toHaveLength(3);
      expect(await json('status', '--strict')).toMatchObject({ well: true, problems: [] });
    });
  });

  describe('a backup', () => {
    const next = new Harness();
    let file: string;
    afterAll(() => next.close());
    beforeEach(async () => {
      file = join(next.dir, 'backup');
    });

    test('is saved out of a running group, and never over a file that is there', async () => {
      await client.create('/saved/node', Buffer.from('value'), { parents: true });
      const saved = await json('snapshot', file);
      expect(saved).toMatchObject({ file, server: expect.stringMatching(/^nuwa-\d$/) });
      expect((await readFile(file)).length).toBe(saved.bytes);
      expect(await ran('snapshot', file)).toMatchObject({ code: 1, stderr: expect.stringContaining('add --force') });
      expect(await nuwa('snapshot', '--force', file)).toMatch(/backup: .*, all up to entry [\d,]+, from nuwa-\d\n$/);
      expect(await readdir(next.dir)).toEqual(['backup']);
    });

    test('becomes a group of new servers, with all that it held', async () => {
      const seen = await client.get('/saved/node');
      const places = await next.places(3);
      const members = places.map(({ id, address }) => `${id}=${address}`).join(',');
      const restore = (id: string) =>
        runVerbs([register], ['nuwa', 'restore', file, '--data', join(next.dir, id), '--id', id, '--members', members, '--json']);
      for (const { id } of places) {
        const { code, stdout, stderr } = await restore(id);
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        expect(JSON.parse(stdout)).toMatchObject({ id, data: join(next.dir, id), nodes: expect.any(Number) });
      }
      expect(await restore('nuwa-1')).toMatchObject({ code: 1, stderr: expect.stringContaining('is not empty') });

      await leaderOf(await Promise.all(places.map(({ id }) => next.member(id, places))));
      const restored = await next.client(places.map(({ address }) => address));
      const { creator, ...node } = await restored.get('/saved/node');
      expect({ creator, ...node }).toEqual(seen);
      const made = await restored.create('/after', Buffer.alloc(0));
      expect(made.revision).toBeGreaterThan(seen.modifyRevision);
      const of = places.map(({ address }) => address.replace('tcp://', '')).join(',');
      const { stdout } = await runVerbs([register], ['nuwa', 'check', '--json', '--nuwa', of]);
      expect(JSON.parse(stdout)).toMatchObject({ sound: true, servers: ['nuwa-1', 'nuwa-2', 'nuwa-3'] });
    });

    test.each([
      [['--id', 'nuwa-9', '--members', 'nuwa-1=h:1'], 1, 'must name nuwa-9 too'],
      [['--id', 'nuwa-1', '--members', 'here'], 1, '--nuwa-members'],
      [['--id', 'nuwa-1'], 2, '--members'],
    ])('is not restored with %j', async (args, code, text) => {
      const refused = await runVerbs([register], ['nuwa', 'restore', file, '--data', join(here, 'new'), ...args]);
      expect(refused.code).toBe(code);
      expect(refused.stderr).toContain(text);
      expect(await readdir(here)).toEqual([]);
    });

    test('that is damaged is not restored', async () => {
      const bytes = await readFile(file);
      bytes[bytes.length >> 1]! ^= 1;
      await writeFile(join(here, 'damaged'), bytes);
      const args = ['restore', join(here, 'damaged'), '--data', join(here, 'new'), '--id', 'a', '--members', 'a=h:1'];
      const refused = await runVerbs([register], ['nuwa', ...args]);
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/could not be restored: .*damaged/) });
      expect(await readdir(here)).toEqual(['damaged']);
    });
  });

  describe('the files of a server', () => {
    const check = (...args: string[]) => runVerbs([register], ['nuwa', 'check', ...args]);

    test('are checked while it runs', async () => {
      const { code, stdout } = await check(join(harness.dir, 'nuwa-1'));
      expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringMatching(/nuwa-1: sound, up to entry \d+, in term \d+\n/) });
      expect(stdout).toMatch(/^log-\d{10} +log .* records, /m);
      const all = JSON.parse((await check('--json', harness.dir)).stdout);
      // One of them was in the group for a while.
      expect(all).toMatchObject({ sound: true, servers: Array.from({ length: 4 }, () => ({ sound: true, problems: [] })) });
    });

    test('that are damaged are named, with the place', async () => {
      const copy = join(here, 'copy');
      await cp(join(harness.dir, 'nuwa-2'), copy, { recursive: true });
      const log = (await readdir(copy)).filter((name) => name.startsWith('log-')).sort()[0]!;
      const bytes = await readFile(join(copy, log));
      bytes[40]! ^= 1;
      await writeFile(join(copy, log), bytes);
      const { code, stdout } = await check(copy);
      expect(code).toBe(1);
      expect(stdout).toMatch(/copy: damaged/);
      expect(stdout).toMatch(/do not start this server from an empty directory or a copy.*members remove/);
      expect(stdout).not.toMatch(/move it away/);
      expect(stdout).toMatch(/record at byte \d+ is damaged/);
      expect((await readFile(join(copy, log))).equals(bytes)).toBe(true);
    });

    test('are not looked for where there are none', async () => {
      expect(await check(here)).toMatchObject({ code: 1, stderr: expect.stringContaining('holds no files of a Nuwa server') });
      expect(await check(join(here, 'none'))).toMatchObject({ code: 1, stderr: expect.stringContaining('is not there') });
    });
  });

  test.each(['ls', 'get', 'set', 'create', 'rm', 'watch', 'lock', 'status', 'members', 'snapshot', 'restore', 'check'])(
    'the help of %s has an example',
    async (verb) => {
      const { code, stdout } = await runVerbs([register], ['nuwa', verb, '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain(`$ feitian nuwa ${verb}`);
      expect(stdout).toContain('--json');
    },
  );
});
