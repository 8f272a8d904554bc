import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensureIdentity, ensureIssuer, keyDirectory, rotateIssuer } from '../../../services/zhongkui/key-directory.ts';
import { readHolding, writeKeyFile } from '../../../services/zhongkui/keys/identity-file.ts';
import { decodeToken } from '../../../services/zhongkui/tokens/decode-token.ts';
import { can, HOUR_MS, NOW_MS, Stage } from './stage.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'feitian-test-keys-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const wanted = { name: 'service/pangu-master', capabilities: [can('pangu://local/', 'read', 'write')], ttlMs: HOUR_MS };

test('an identity stays as it is while it has what is wanted, and gets a new token when it has not', async () => {
  const keys = keyDirectory(join(dir, 'keys'));
  const issuer = await ensureIssuer(keys, 'local');
  const file = keys.fileOf(wanted.name);
  const ensured = async (options = wanted, nowMs = NOW_MS, by = issuer) => {
    await ensureIdentity(by, file, options, nowMs);
    const { token, keyPair } = await readHolding(file);
    return { token, key: keyPair.fingerprint, grant: decodeToken(token).grant };
  };
  const first = await ensured();
  expect(first.grant).toMatchObject({ name: 'service/pangu-master', capabilities: wanted.capabilities, holder: first.key });
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await ensured()).toEqual(first);
  expect(await ensured(wanted, NOW_MS + HOUR_MS / 2 - 1)).toEqual(first);

  const later = await ensured(wanted, NOW_MS + HOUR_MS / 2);
  expect(later.token).not.toBe(first.token);
  expect(later.key).toBe(first.key);
  const other = await ensured({ ...wanted, capabilities: [can('pangu://local/', 'read')] });
  expect(other.grant.capabilities).toEqual([can('pangu://local/', 'read')]);
  const { issuer: next } = await rotateIssuer(keys, HOUR_MS, NOW_MS);
  expect((await ensured(wanted, NOW_MS, next)).grant.revocableBy[0]).toBe(next.keyPair.fingerprint);
  // A token of somebody else's key that got into the file.
  await writeKeyFile(file, { keyPair: (await readHolding(file)).keyPair, token: (await new Stage().issued()).token });
  expect((await ensured(wanted, NOW_MS, next)).grant.holder).toBe(first.key);
  // Records are of what was issued, and hold no token.
  const records = await keys.store.list();
  expect(records).toHaveLength(5);
  expect(JSON.stringify(records)).not.toContain(first.token.split('.')[2]);
});

test('two that ensure the issuer at once have the same one', async () => {
  const keys = keyDirectory(join(dir, 'keys'));
  const made = await Promise.all(Array.from({ length: 5 }, () => ensureIssuer(keys, 'local')));
  expect(new Set(made.map(({ keyPair }) => keyPair.fingerprint)).size).toBe(1);
});
