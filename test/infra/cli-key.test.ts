import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { register } from '../../infra/cli/commands/key.ts';
import { leftBehind, revokedIssuer } from '../../infra/cli/ui/issuer-guard.ts';
import type { NuwaClient } from '../../services/nuwa/contract.ts';
import { createGuard, NO_REVOCATIONS, openIdentity, readKeyFile, readTrustFile, trustOf } from '../../services/zhongkui/client.ts';
import { REVOCATIONS_PATH } from '../../services/zhongkui/contract.ts';
import { Harness } from '../services/nuwa/harness.ts';
import { challengeOf } from '../services/zhongkui/stage.ts';
import { type Ran, runVerbs } from './cli-stage.ts';
import { feitian } from './feitian.ts';

describe('feitian key', () => {
  const harness = new Harness();
  let address: string;
  let nuwa: NuwaClient;
  let dir: string;
  beforeAll(async () => {
    const server = await harness.server();
    address = server.address.replace('tcp://', '');
    nuwa = await harness.client([server.address]);
  });
  afterAll(() => harness.close());
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'feitian-test-key-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const ran = (...args: string[]): Promise<Ran> => runVerbs([register], ['key', ...args, '--dir', dir]);
  const key = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await ran(...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout;
  };
  const json = async (...args: string[]) => JSON.parse(await key(...args, '--json'));
  const fails = async (pattern: RegExp, ...args: string[]): Promise<void> => {
    const { code, stderr } = await ran(...args);
    expect(code).toBeGreaterThan(0);
    expect(stderr).toMatch(pattern);
  };
  const file = (name: string): string => join(dir, 'keys', name);
  /** What a server would say. */
  const admitted = async (path: string) => {
    const { keys } = await readTrustFile(file('trust.json'));
    const guard = createGuard({ cluster: 'local', trust: trustOf(keys), revocations: NO_REVOCATIONS });
    const identity = await openIdentity(path, { watch: false });
    const challenge = challengeOf();
    return await guard.admit(identity.present(challenge), challenge);
  };

  test('makes keys that only their owner may read, each once', async () => {
    const made = await json('create', 'alice');
    expect(made).toEqual({ name: 'user/alice', fingerprint: expect.stringMatching(/^[\w-]{43}$/), file: file('users/alice.pem') });
    expect((await stat(made.file)).mode & 0o777).toBe(0o600);
    expect((await readKeyFile(made.file)).keyPair.fingerprint).toBe(made.fingerprint);
    await fails(/KeyExists/, 'create', 'alice');
    expect(await key('create', 'service/backup', '--out', join(dir, 'backup.pem'))).toContain('service/backup\n');
    await fails(/KeyMalformed.*names are user/, 'create', '../alice');
    await fails(/names are user/, 'create', 'user/al ice');
  });

  test('gives rights with the issuer’s key, and a server lets the key in with these', async () => {
    await key('create', 'alice');
    await fails(/only where the issuer's key is/, 'grant', 'alice', 'pangu://local/a:read');
    const issuer = await json('create', 'issuer');
    expect((await json('create', 'issuer')).fingerprint).toBe(issuer.fingerprint);
    await fails(/of cluster local, not of other/, 'create', 'issuer', '--cluster', 'other');
    await fails(/no token|holds a key/, 'grant', 'alice', 'pangu://local/a:read', '--as', 'alice');
    const granted = await json('grant', 'alice', 'pangu://local/books:read,write', 'nuwa://local/app:read', '--ttl', '2d');
    expect(granted).toMatchObject({ name: 'user/alice', file: file('users/alice.pem') });
    expect(granted.expiresAtMs - Date.now()).toBeGreaterThan(47 * 3_600_000);
    const caller = await admitted(granted.file);
    expect(caller.name).toBe('user/alice');
    expect(caller.refusal('write', 'pangu://local/books/a')).toBeUndefined();
    expect(caller.refusal('write', 'nuwa://local/app')).toMatch(/no capability/);
    expect((await stat(granted.file)).mode & 0o777).toBe(0o600);
  });

  test('refuses to give what there is not', async () => {
    await key('create', 'issuer');
    await key('create', 'alice');
    await fails(/InvalidCapability.*fly/, 'grant', 'alice', 'pangu://local/a:fly');
    await fails(/InvalidCapability.*\.\./, 'grant', 'alice', 'pangu://local/a/../b:read');
    await fails(/InvalidCapability/, 'grant', 'alice', 'pangu://local/a');
    await fails(/elsewhere/, 'grant', 'alice', 'pangu://other/a:read');
    await fails(/400 days/, 'grant', 'alice', 'pangu://local/a:read', '--ttl', '401d');
    await fails(/feitian key create makes/, 'grant', 'bob', 'pangu://local/a:read');
    expect((await ran('grant', 'alice', 'pangu://local/a:read', '--ttl', 'soon')).code).toBe(2);
    expect((await ran('grant', 'alice')).code).toBe(2);
  });

  test('lets a holder give away a part, to a key elsewhere, without the issuer', async () => {
    await key('create', 'issuer');
    await key('create', 'alice');
    await key('grant', 'alice', 'pangu://local/books:read,write');
    await rm(file('issuer.pem'));
    // Bob, on his machine.
    const bob = join(dir, 'bob.pem');
    await key('create', 'bob', '--out', bob);
    await writeFile(join(dir, 'bob.pub'), await key('show', bob, '--public'));
    const token = join(dir, 'for-bob.token');
    // Without a place for it, it goes where a pipe takes it from.
    expect(await key('grant', join(dir, 'bob.pub'), 'pangu://local/books/shared:read', '--as', 'alice')).toMatch(/^\S+~\S+\n$/);
    await fails(/TokenWidened/, 'grant', join(dir, 'bob.pub'), 'pangu://local/:read', '--as', 'alice', '--out', token);
    await fails(
      /TokenWidened.*user\/bob/,
      'grant',
      join(dir, 'bob.pub'),
      'pangu://local/books:read',
      '--as',
      'alice',
      '--name',
      'user/bob',
      '--out',
      token,
    );
    await key(
      'grant',
      join(dir, 'bob.pub'),
      'pangu://local/books/shared:read',
      '--as',
      'alice',
      '--name',
      'user/alice/bob',
      '--out',
      token,
    );
    expect(await key('show', token)).toMatch(/name {6}user\/alice\/bob\n[\s\S]*issued to user\/alice,[\s\S]*passed to user\/alice\/bob,/);
    await fails(/WrongHolder/, 'take', 'alice', token);
    expect(await key('take', bob, token)).toContain('is user/alice/bob until');
    const caller = await admitted(bob);
    expect(caller.refusal('read', 'pangu://local/books/shared/x')).toBeUndefined();
    expect(caller.refusal('read', 'pangu://local/books')).toMatch(/no capability/);
  });

  test('revokes a key and a single token, in Nuwa and in the records', async () => {
    await key('create', 'issuer');
    for (const name of ['alice', 'bob', 'carol']) await key('create', name);
    const granted = await json('grant', 'alice', 'pangu://local/a:read');
    const bob = await json('grant', 'bob', 'pangu://local/a:read');
    expect(await json('revoke', 'alice', '--reason', 'laptop stolen', '--nuwa', address)).toEqual({
      revoked: granted.holder,
      name: 'user/alice',
      reason: 'laptop stolen',
    });
    const entry = JSON.parse(Buffer.from((await nuwa.get(`${REVOCATIONS_PATH}/${granted.holder}`)).value).toString());
    expect(entry).toMatchObject({ reason: 'laptop stolen' });
    expect(entry.expiresAtMs).toBeGreaterThan(granted.expiresAtMs);
    await key('revoke', bob.id, '--nuwa', address);
    expect(JSON.parse(Buffer.from((await nuwa.get(`${REVOCATIONS_PATH}/${bob.id}`)).value).toString()).expiresAtMs).toBe(bob.expiresAtMs);

    const listed = await key('list');
    expect(listed).toMatch(/issuer .*gives rights/);
    expect(listed).toMatch(/user\/alice .*revoked: laptop stolen .*pangu:\/\/local\/a:read/);
    expect(listed).toMatch(/user\/bob .*revoked: revoked by an administrator/);
    expect(listed).toMatch(/user\/carol .*no rights/);
    expect(await key('list', '--issued')).toMatch(new RegExp(`${granted.id} +user/alice .*revoked: laptop stolen`));
    await fails(/TokenRevoked.*laptop stolen/, 'grant', 'alice', 'pangu://local/a:read');
    await fails(/no key that is here/, 'revoke', 'nobody', '--nuwa', address);
  });

  test('says so if nobody could be told of a revocation, and records none', async () => {
    await key('create', 'issuer');
    await key('create', 'alice');
    await key('grant', 'alice', 'pangu://local/a:read');
    await fails(/is not revoked, Nuwa could not be told/, 'revoke', 'alice');
    expect(await key('list')).not.toContain('revoked');
  });

  test('rotates a key: the new one has the rights, the old one goes on for a while', async () => {
    await key('create', 'issuer');
    await key('create', 'service/backup');
    const path = file('services/backup.pem');
    const granted = await json('grant', 'service/backup', 'pangu://local/:read');
    const running = await openIdentity(path);
    const changed = new Promise<void>((resolve) => running.onChanged(resolve));
    const rotated = await json('rotate', 'service/backup', '--overlap', '10m', '--nuwa', address);
    expect(rotated).toMatchObject({ name: 'service/backup', previous: granted.holder, expiresAtMs: granted.expiresAtMs });
    expect(rotated.fingerprint).not.toBe(granted.holder);
    await changed;
    expect(running.keyPair.fingerprint).toBe(rotated.fingerprint);
    running.close();
    expect((await admitted(path)).refusal('read', 'pangu://local/x')).toBeUndefined();
    const { fromMs, reason } = JSON.parse(Buffer.from((await nuwa.get(`${REVOCATIONS_PATH}/${granted.holder}`)).value).toString());
    expect(fromMs).toBe(rotated.previousUntilMs);
    expect(fromMs - Date.now()).toBeGreaterThan(9 * 60_000);
    expect(reason).toBe(`replaced by ${rotated.fingerprint}`);
    expect(await leftBehind(file(''), fromMs)).toEqual([]); // its file has the new one
  });

  test('does not sign again what nobody signed, or what was revoked', async () => {
    await key('create', 'issuer');
    await key('create', 'alice');
    const { id } = await json('grant', 'alice', 'pangu://local/a:read');
    const path = file('users/alice.pem');
    const text = await readFile(path, 'utf8');
    await key('revoke', id, '--nuwa', address);
    await fails(/TokenRevoked/, 'rotate', 'alice', '--nuwa', address);
    // The same keys and another issuer's token.
    await rm(file('issuer.pem'));
    await rm(file('trust.json'));
    await key('create', 'issuer');
    await fails(/TokenForged/, 'rotate', 'alice', '--nuwa', address);
    expect(await readFile(path, 'utf8')).toBe(text);
  });

  test('rotates the issuer: both keys count for a while, and the new one signs', async () => {
    const { fingerprint } = await json('create', 'issuer');
    for (const name of ['alice', 'bob']) await key('create', name);
    await key('grant', 'alice', 'pangu://local/a:read');
    const rotated = await json('rotate', 'issuer', '--overlap', '1h');
    expect(rotated).toMatchObject({ previous: fingerprint });
    await key('grant', 'bob', 'pangu://local/a:read');
    expect((await json('show', 'bob')).token.issuer).toBe(rotated.fingerprint);
    for (const name of ['alice', 'bob']) expect((await admitted(file(`users/${name}.pem`))).name).toBe(`user/${name}`);
    const { keys } = await readTrustFile(file('trust.json'));
    expect(keys.map((each) => [each.fingerprint, each.untilMs !== undefined])).toEqual([
      [rotated.fingerprint, false],
      [fingerprint, true],
    ]);
    // Alice goes on with what the old one signed: for how long is said, and then that it is over.
    const listed = await key('list');
    expect(listed).toMatch(/user\/alice .* until .*: the issuer has another key/);
    expect(listed.match(/another key/g)).toHaveLength(1); // Bob has a new token
    expect(await leftBehind(file(''), Date.now())).toEqual([]);
    const fromMs = keys[1]!.untilMs!;
    const because = `the issuer's key ${fingerprint}, which signed its token, was replaced`;
    expect(await leftBehind(file(''), fromMs)).toEqual([{ name: 'user/alice', fromMs, because }]);
    vi.useFakeTimers({ now: fromMs, toFake: ['Date'] });
    try {
      expect(await key('list')).toMatch(/user\/alice .* ended .*: the issuer has another key, it needs a new token/);
    } finally {
      vi.useRealTimers();
    }
  });

  test('does not revoke the issuer that signs now by a slip, and tells the way in good order, which works', async () => {
    const { fingerprint } = await json('create', 'issuer');
    await key('create', 'alice');
    const grant = (): Promise<string> => key('grant', 'alice', 'pangu://local/a:read');
    await grant();
    for (const who of ['issuer', fingerprint])
      await fails(
        /is the key of the issuer, which signs now:.* user\/alice\.[\s\S]*feitian key rotate issuer[\s\S]*--force/,
        'revoke',
        who,
      );
    expect(await key('list')).not.toContain('revoked');
    expect(await revokedIssuer(file(''), Date.now())).toBeUndefined();

    await key('rotate', 'issuer');
    // Alice has the old issuer's token still.
    await fails(/is the key of the issuer before:.* user\/alice\./, 'revoke', fingerprint, '--nuwa', address);
    await grant();
    expect(await json('revoke', fingerprint, '--nuwa', address)).toMatchObject({ revoked: fingerprint });

    const forced = await json('revoke', 'issuer', '--force', '--nuwa', address);
    expect(forced).toMatchObject({ name: 'issuer' });
    expect(await revokedIssuer(file(''), Date.now())).toBe(forced.revoked);
    await key('rotate', 'issuer');
    expect(await revokedIssuer(file(''), Date.now())).toBeUndefined();
  });

  test('writes over nothing that is there, unless it is told to, and never over what is no file', async () => {
    await key('create', 'issuer');
    await key('create', 'alice');
    const out = join(dir, 'somebodys');
    await writeFile(out, 'the only copy');
    const grant = ['grant', 'alice', 'pangu://local/a:read', '--out'];
    await fails(/KeyExists: .* is there already: .*--force/, ...grant, out);
    await fails(/KeyExists/, 'create', 'bob', '--out', out);
    expect(await readFile(out, 'utf8')).toBe('the only copy');
    await key(...grant, out, '--force');
    expect(await key('show', out)).toContain('user/alice');

    // As root, a device is replaced as easily as a file; a pipe stands for it here.
    const pipe = join(dir, 'pipe');
    await promisify(execFile)('mkfifo', [pipe]);
    for (const verb of [grant, ['create', 'bob', '--out']]) {
      await fails(/KeyExists/, ...verb, pipe);
      await fails(/KeyUnsafe: .* is no file/, ...verb, pipe, '--force');
    }
    expect((await stat(pipe)).isFIFO()).toBe(true);

    expect(await key(...grant, '-')).toMatch(/^\S+\n$/);
    expect(await key('create', 'bob', '--out', '-')).toMatch(/^-----BEGIN PRIVATE KEY-----/);

    const handed = join(dir, 'handed');
    await mkdir(handed);
    await writeFile(join(handed, 'trust.json'), '{"of":"something else"}', { mode: 0o644 });
    await fails(/trust.json is there already.*--force/, 'roles', '--out', handed);
    await key('roles', '--out', handed, '--force');
    await key('roles', '--out', handed);
  });

  test('loses no rotation of many at once', async () => {
    await key('create', 'issuer');
    const fingerprints = await rotationsAtOnce(dir, 6);
    const { keys } = await readTrustFile(file('trust.json'));
    expect(keys).toHaveLength(7);
    expect(keys.map(({ fingerprint }) => fingerprint)).toEqual(expect.arrayContaining(fingerprints));
    expect(keys[0]!.fingerprint).toBe((await readKeyFile(file('issuer.pem'))).keyPair.fingerprint);
    expect(keys.filter(({ untilMs }) => untilMs === undefined)).toHaveLength(1);
  }, 60_000);

  test('rotates no further than the file of trusted keys can hold', async () => {
    await key('create', 'issuer');
    for (let i = 1; i < 16; i++) await key('rotate', 'issuer');
    await fails(/16 issuers' keys still count/, 'rotate', 'issuer');
    expect((await readTrustFile(file('trust.json'))).keys).toHaveLength(16);
  });

  test.each([
    ['grant', '30d'],
    ['roles', '90d'],
    ['join-token', '1h'],
  ])('says how long %s gives something for, as people read it', async (name, text) => {
    const key = new Command('feitian');
    register(key);
    const help = key.commands[0]!.commands.find((each) => each.name() === name)!.helpInformation();
    expect(help).toMatch(new RegExp(`--ttl <time>[^]*\\(default: ${text}\\)`));
    expect(help).not.toMatch(/default: \d{4,}/);
  });

  test('shows keys and tokens, and never what is secret', async () => {
    await key('create', 'issuer');
    await key('create', 'alice');
    expect(await key('show', 'alice')).toContain('no token: it may do nothing');
    const { id } = await json('grant', 'alice', 'pangu://local/a:read');
    const { keyPair, token } = await readKeyFile(file('users/alice.pem'));
    const shown = [
      await key('show', 'alice'),
      await key('show', 'alice', '--json'),
      await key('show', token!),
      await key('list', '--json'),
      await key('show', 'issuer'),
    ];
    expect(shown[0]).toMatch(new RegExp(`token {5}${id}\\nname {6}user/alice\\ncluster {3}local\\n`));
    expect(shown[0]).toContain('may       pangu://local/a:read\n');
    const secret = keyPair.privateKey.export({ format: 'jwk' }).d!;
    const pem = (await readFile(file('users/alice.pem'), 'utf8')).split('\n')[1]!;
    for (const text of shown) for (const each of [secret, pem, token!.split('.')[2]!]) expect(text).not.toContain(each);
    expect((await json('show', 'alice', '--public')).pem).toMatch(/^-----BEGIN PUBLIC KEY-----/);
    await fails(/is not there/, 'show', 'bob');
    await fails(/TokenMalformed/, 'show', 'a.b.c');
    await chmod(file('users/alice.pem'), 0o644);
    await fails(/KeyUnsafe.*chmod 600/, 'show', 'alice');
    expect(await key('list')).toMatch(/user\/alice +- +KeyUnsafe/);
  });
});

/** In processes of their own, as people do it. */
async function rotationsAtOnce(dir: string, count: number): Promise<string[]> {
  const rotating = Array.from({ length: count }, () => feitian(['key', 'rotate', 'issuer', '--dir', dir, '--json']));
  return (await Promise.all(rotating)).map(({ stdout, stderr }) => {
    expect(stderr).toBe('');
    return JSON.parse(stdout).fingerprint;
  });
}
