import { generateKeyPairSync } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { formatKeyFile, openIdentity, parseKeyFile, readKeyFile, writeKeyFile } from '../../../../services/zhongkui/keys/identity-file.ts';
import {
  createKeyPair,
  formatPrivateKey,
  formatPublicKey,
  parsePrivateKey,
  parsePublicKey,
} from '../../../../services/zhongkui/keys/key-pair.ts';
import { formatTrustFile, openTrust, parseTrustFile, writeTrustFile } from '../../../../services/zhongkui/keys/trust-file.ts';
import { challengeOf, Stage } from '../stage.ts';

const refused = (code: string) => expect.objectContaining({ name: 'ZhongkuiError', code });
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'feitian-test-keys-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('a key file', () => {
  test('is made for its owner alone, in a directory for its owner alone, and only once', async () => {
    const path = join(dir, 'keys', 'users', 'alice.pem');
    const keyPair = createKeyPair();
    await writeKeyFile(path, { keyPair }, { fresh: true });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(dir, 'keys'))).mode & 0o777).toBe(0o700);
    expect((await readKeyFile(path)).keyPair.fingerprint).toBe(keyPair.fingerprint);
    await expect(writeKeyFile(path, { keyPair: createKeyPair() }, { fresh: true })).rejects.toThrow(refused('KeyExists'));
    expect((await readKeyFile(path)).keyPair.fingerprint).toBe(keyPair.fingerprint);
    expect(await readdir(join(dir, 'keys', 'users'))).toEqual(['alice.pem']);
  });

  test('holds a token beside the key, and OpenSSL reads the key all the same', async () => {
    const { token, keyPair } = await new Stage().issued();
    const text = formatKeyFile({ keyPair, token });
    expect(parseKeyFile(text)).toMatchObject({ token, keyPair: { fingerprint: keyPair.fingerprint } });
    expect(parsePrivateKey(text).fingerprint).toBe(keyPair.fingerprint);
    expect(parseKeyFile(text.replaceAll('\n', '\r\n')).token).toBe(token);
    expect(parsePublicKey(formatPublicKey(keyPair)).fingerprint).toBe(keyPair.fingerprint);
  });

  test.each([0o640, 0o604, 0o660, 0o644, 0o620])('that others may touch is refused: %o', async (mode) => {
    const path = join(dir, 'alice.pem');
    await writeKeyFile(path, { keyPair: createKeyPair() });
    await chmod(path, mode);
    await expect(readKeyFile(path)).rejects.toThrow(refused('KeyUnsafe'));
    await chmod(path, 0o600);
    await readKeyFile(path);
  });

  test('in a directory that others may write is refused', async () => {
    await mkdir(join(dir, 'open'));
    await chmod(join(dir, 'open'), 0o777);
    const path = join(dir, 'open', 'alice.pem');
    await writeKeyFile(path, { keyPair: createKeyPair() });
    await expect(readKeyFile(path)).rejects.toThrow(refused('KeyUnsafe'));
    await chmod(join(dir, 'open'), 0o1777);
    await readKeyFile(path);
  });

  test('that a link points to is looked at where it lies', async () => {
    await writeKeyFile(join(dir, 'real.pem'), { keyPair: createKeyPair() });
    await symlink(join(dir, 'real.pem'), join(dir, 'link.pem'));
    await readKeyFile(join(dir, 'link.pem'));
    await chmod(join(dir, 'real.pem'), 0o644);
    await expect(readKeyFile(join(dir, 'link.pem'))).rejects.toThrow(refused('KeyUnsafe'));
  });

  test('that is not there, is a directory, or holds something else is refused, without a word of what it holds', async () => {
    await expect(readKeyFile(join(dir, 'nobody.pem'))).rejects.toThrow(refused('NoSuchKey'));
    await expect(readKeyFile(dir)).rejects.toThrow(refused('KeyMalformed'));
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const pem = formatPrivateKey(createKeyPair());
    const secret = pem.split('\n')[1]!;
    const broken = [
      '',
      'secret',
      rsa,
      pem.replace(/\n[A-Za-z]/, '\n!'),
      pem.slice(0, 60),
      `${pem}-----BEGIN FEITIAN TOKEN-----\nabc`,
      'x'.repeat(300_000),
    ];
    for (const text of broken) {
      await writeFile(join(dir, 'broken.pem'), text, { mode: 0o600 });
      const error = await readKeyFile(join(dir, 'broken.pem')).catch((each: Error) => each);
      expect(error).toEqual(refused('KeyMalformed'));
      expect(String((error as Error).stack)).not.toContain(secret.slice(20, 40));
    }
  });
});

describe('an identity', () => {
  test('follows its file: a rotated key is shown from then on, what is broken changes nothing', async () => {
    const stage = new Stage();
    const path = join(dir, 'service.pem');
    const [before, after] = [await stage.issued({ name: 'service/a' }), await stage.issued({ name: 'service/a' })];
    await writeKeyFile(path, before);
    const identity = await openIdentity(path);
    const changed = new Promise<void>((resolve) => identity.onChanged(resolve));
    expect(identity).toMatchObject({ version: 1, name: 'service/a', cluster: 'local' });
    expect(identity.present(challengeOf()).token).toBe(before.token);

    await writeFile(`${path}.new`, 'half a fi', { mode: 0o600 });
    await rename(`${path}.new`, path);
    await identity.reload();
    expect(identity.version).toBe(1);
    expect(identity.present(challengeOf()).token).toBe(before.token);

    await writeKeyFile(path, after);
    // Nobody tells it but the file.
    await changed;
    expect(identity.version).toBe(2);
    expect(identity.present(challengeOf()).token).toBe(after.token);
    expect(identity.keyPair.fingerprint).toBe(after.keyPair.fingerprint);
    await identity.reload();
    expect(identity.version).toBe(2);
    identity.close();
  });

  test('needs a token, and one of its own key', async () => {
    const path = join(dir, 'service.pem');
    await writeKeyFile(path, { keyPair: createKeyPair() });
    await expect(openIdentity(path)).rejects.toThrow(refused('NoSuchKey'));
    await writeKeyFile(path, { keyPair: createKeyPair(), token: (await new Stage().issued()).token });
    await expect(openIdentity(path)).rejects.toThrow(refused('WrongHolder'));
  });
});

describe('trusted keys', () => {
  test('follow their file, and one that was replaced is trusted until a time', async () => {
    const path = join(dir, 'trust.json');
    const [old, fresh] = [createKeyPair(), createKeyPair()];
    await writeTrustFile(path, { cluster: 'local', keys: [old], certificates: [] });
    const trust = await openTrust(path, { watch: false });
    expect(trust.issuer(old.fingerprint)?.untilMs).toBeUndefined();
    expect(trust.issuer(fresh.fingerprint)).toBeUndefined();
    await writeTrustFile(path, { cluster: 'local', keys: [fresh, { ...old, untilMs: 5_000 }], certificates: ['PEM'] });
    await trust.reload();
    expect(trust.version).toBe(2);
    expect(trust.issuer(old.fingerprint)?.untilMs).toBe(5_000);
    expect(trust.issuer(fresh.fingerprint)?.x).toBe(fresh.x);
    await chmod(path, 0o666);
    await trust.reload();
    expect(trust.version).toBe(2);
    trust.close();
  });

  test.each([
    ['no JSON', () => '{'],
    ['a key under the name of another', (text: string) => text.replace(/"kid": "./, '"kid": "_')],
    ['a key of another kind', (text: string) => text.replace('Ed25519', 'X25519')],
    ['a key that is short', (text: string) => text.replace(/"x": ".{9}/, '"x": "')],
  ])('are refused with %s', (_, change) => {
    const text = formatTrustFile({ cluster: 'local', keys: [createKeyPair()], certificates: [] });
    expect(parseTrustFile(text).keys).toHaveLength(1);
    expect(() => parseTrustFile(change(text))).toThrow(refused('KeyMalformed'));
  });

  test('stand in a file that others may read and not write', async () => {
    const path = join(dir, 'trust.json');
    await writeTrustFile(path, { cluster: 'local', keys: [], certificates: [] });
    expect((await stat(path)).mode & 0o777).toBe(0o644);
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({ cluster: 'local', keys: [] });
  });
});
