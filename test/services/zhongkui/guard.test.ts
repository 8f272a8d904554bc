import { describe, expect, test } from 'vitest';
import type { Guard } from '../../../services/kuafu/guard.ts';
import { CLOCK_SKEW_MS_MAX, REVOCATION_FRESH_MS } from '../../../services/zhongkui/contract.ts';
import { createGuard, type GuardOptions } from '../../../services/zhongkui/guard.ts';
import { identityOf } from '../../../services/zhongkui/keys/identity-file.ts';
import { createKeyPair } from '../../../services/zhongkui/keys/key-pair.ts';
import type { TrustedKey } from '../../../services/zhongkui/keys/trust-file.ts';
import { can, challengeOf, credentialsOf, HOUR_MS, NOW_MS, Stage } from './stage.ts';

const refused = (code: string) => expect.objectContaining({ name: 'ZhongkuiError', code });

function staged(options: Partial<GuardOptions> = {}): { stage: Stage; guard: Guard } {
  const stage = new Stage();
  const { trust, revocations, clock } = stage;
  return { stage, guard: createGuard({ cluster: 'local', trust, revocations, clock, ...options }) };
}

describe('the guard lets in', () => {
  test('who shows a token and proves to hold its key', async () => {
    const { stage, guard } = staged();
    const alice = await stage.issued({ capabilities: [can('pangu://local/a', 'read')] });
    const challenge = challengeOf({ binding: Uint8Array.of(1, 2, 3) });
    const caller = await guard.admit(credentialsOf(alice, challenge), challenge);
    expect(caller).toMatchObject({ name: 'user/alice', key: alice.keyPair.fingerprint });
    expect(caller.ended()).toBeUndefined();
  });

  test('many connections that show one token at once', async () => {
    const { stage, guard } = staged();
    const alice = await stage.issued();
    const callers = await Promise.all(
      Array.from({ length: 50 }, () => {
        const challenge = challengeOf();
        return guard.admit(credentialsOf(alice, challenge), challenge);
      }),
    );
    expect(new Set(callers).size).toBe(1);
  });
});

describe('a proof', () => {
  test.each([
    ['another nonce', challengeOf()],
    ['another cluster', challengeOf({ cluster: 'other' })],
    ['a connection with TLS', challengeOf({ binding: Uint8Array.of(1) })],
  ])('made for one connection is none for %s', async (_, other) => {
    const { stage, guard } = staged();
    const alice = await stage.issued();
    const challenge = challengeOf();
    const shown = credentialsOf(alice, challenge);
    await guard.admit(shown, challenge);
    const replayed = other.binding ? { ...other, nonce: challenge.nonce } : other;
    await expect(guard.admit(shown, replayed)).rejects.toThrow(refused('WrongHolder'));
  });

  test('made for one token is none for another of the same key', async () => {
    const { stage, guard } = staged();
    const alice = await stage.issued();
    const more = await stage.issued({ keyPair: alice.keyPair });
    const challenge = challengeOf();
    const { proof } = credentialsOf(alice, challenge);
    await expect(guard.admit({ token: more.token, proof }, challenge)).rejects.toThrow(refused('WrongHolder'));
  });

  test('of another key than the token was given to is none', async () => {
    const { stage, guard } = staged();
    const [alice, eve] = [await stage.issued(), await stage.issued({ name: 'user/eve' })];
    const challenge = challengeOf();
    const { proof } = credentialsOf(eve, challenge);
    await expect(guard.admit({ token: alice.token, proof }, challenge)).rejects.toThrow(refused('WrongHolder'));
  });

  test('is not made for a server of another cluster, nor over a short nonce', async () => {
    const alice = identityOf(await new Stage().issued());
    expect(() => alice.present(challengeOf({ cluster: 'other' }))).toThrow(refused('WrongHolder'));
    expect(() => alice.present(challengeOf({ nonce: new Uint8Array(8) }))).toThrow(refused('WrongHolder'));
  });

  test('with a nonce that a server failed to make is none', async () => {
    const { stage, guard } = staged();
    const challenge = challengeOf();
    const shown = credentialsOf(await stage.issued(), challenge);
    await expect(guard.admit(shown, { ...challenge, nonce: new Uint8Array() })).rejects.toThrow(refused('WrongHolder'));
  });
});

describe('the guard turns away', () => {
  test('tokens for another cluster, though their issuer is trusted', async () => {
    const { stage, guard } = staged();
    const foreign = await stage.issued({ cluster: 'other', capabilities: [can('pangu://other/', 'read')] });
    const shown = credentialsOf(foreign, challengeOf({ cluster: 'other' }));
    await expect(guard.admit(shown, challengeOf())).rejects.toThrow(refused('TokenForged'));
  });

  test('tokens that ended and tokens that have not begun, with the skew of clocks', async () => {
    const { stage, guard } = staged();
    const alice = await stage.issued();
    const challenge = challengeOf();
    const shown = credentialsOf(alice, challenge);
    stage.clock.advance(-CLOCK_SKEW_MS_MAX - 1);
    await expect(guard.admit(shown, challenge)).rejects.toThrow(refused('TokenNotYetValid'));
    stage.clock.advance(1);
    await guard.admit(shown, challenge);
    stage.clock.advance(HOUR_MS + 2 * CLOCK_SKEW_MS_MAX - 1);
    await guard.admit(shown, challenge);
    stage.clock.advance(1);
    await expect(guard.admit(shown, challenge)).rejects.toThrow(refused('TokenExpired'));
  });

  test('all whose issuer, key, link or parent is revoked, and those alone', async () => {
    for (const which of ['issuer', 'parentId', 'parentKey', 'id', 'key'] as const) {
      const { stage, guard } = staged();
      const parent = await stage.issued();
      const child = await stage.delegated(parent);
      const other = await stage.issued({ name: 'user/bob' });
      const of = {
        issuer: stage.issuerKey.fingerprint,
        parentId: parent.id,
        parentKey: parent.keyPair.fingerprint,
        id: child.id,
        key: child.keyPair.fingerprint,
      };
      stage.revocations.revoke(of[which]);
      const challenge = challengeOf();
      await expect(guard.admit(credentialsOf(child, challenge), challenge)).rejects.toThrow(refused('TokenRevoked'));
      if (which === 'issuer') continue;
      await guard.admit(credentialsOf(other, challenge), challenge);
    }
  });

  test('everybody while revocations have not been heard of for too long', async () => {
    const { stage, guard } = staged();
    const alice = await stage.issued();
    const challenge = challengeOf();
    stage.revocations.freshUntilMs = NOW_MS + REVOCATION_FRESH_MS;
    const caller = await guard.admit(credentialsOf(alice, challenge), challenge);
    stage.clock.advance(REVOCATION_FRESH_MS);
    await expect(guard.admit(credentialsOf(alice, challenge), challenge)).rejects.toThrow(refused('RevocationsStale'));
    expect(caller.ended()).toMatch(/not heard of revocations/);
    expect(caller.refusal('read', 'pangu://local/a')).toMatch(/not heard of revocations/);
    // Fresh again: those it knows go on.
    stage.revocations.freshUntilMs += REVOCATION_FRESH_MS;
    expect(caller.ended()).toBeUndefined();
    expect(caller.refusal('read', 'pangu://local/a')).toBeUndefined();
  });

  test('nobody for that reason where revocations come from', async () => {
    const { stage, guard } = staged({ trustStale: true });
    const challenge = challengeOf();
    stage.revocations.freshUntilMs = Number.NEGATIVE_INFINITY;
    const alice = await stage.issued();
    const caller = await guard.admit(credentialsOf(alice, challenge), challenge);
    expect(caller.ended()).toBeUndefined();
    stage.revocations.revoke(alice.id);
    expect(caller.ended()).toMatch(/revoked/);
  });
});

describe('a caller', () => {
  const admitted = async (capabilities = [can('pangu://local/a', 'read'), can('pangu://local/a/out', 'write')], options = {}) => {
    const { stage, guard } = staged(options);
    const holding = await stage.issued({ capabilities });
    const challenge = challengeOf();
    return { stage, holding, guard, caller: await guard.admit(credentialsOf(holding, challenge), challenge) };
  };

  test.each([
    ['read', 'pangu://local/a', true],
    ['read', 'pangu://local/a/b', true],
    ['write', 'pangu://local/a/out/part-00000', true],
    ['write', 'pangu://local/a/b', false],
    ['write', 'pangu://local/a/outside', false],
    ['read', 'pangu://local/ab', false],
    ['read', 'pangu://local/', false],
    ['admin', 'pangu://local/a', false],
    ['toString', 'pangu://local/a', false],
    ['read', 'nuwa://local/a', false],
    ['read', 'pangu://other/a', false],
    ['read', 'pangu://local/a/../../etc', false],
    ['read', 'pangu://local/a/%2e%2e/etc', false],
    ['read', 'pangu://local/a/', false],
    ['read', 'pangu://local/a/e\u0301', false],
    ['read', 'pangu://local/a\\..\\b', false],
    ['read', '', false],
  ])('may %s %j: %s, the first time and again', async (operation, resource, may) => {
    const { caller } = await admitted();
    for (let i = 0; i < 3; i++) expect(caller.refusal(operation, resource) === undefined).toBe(may);
  });

  test('is judged alike however many resources and operations are asked for', async () => {
    const { caller } = await admitted();
    for (let i = 0; i < 1_500; i++) {
      expect(caller.refusal('read', `pangu://local/a/${i % 400}`)).toBeUndefined();
      expect(caller.refusal(`op-${i % 30}`, `pangu://local/a/${i % 3}`)).toMatch(/no capability/);
      expect(caller.refusal('read', `pangu://local/b/${i % 400}`)).toMatch(/no capability/);
    }
  });

  test('notices that the token ended', async () => {
    const { caller, stage } = await admitted();
    stage.clock.advance(HOUR_MS + CLOCK_SKEW_MS_MAX - 1);
    expect(caller.ended()).toBeUndefined();
    stage.clock.advance(1);
    expect(caller.ended()).toMatch(/ended 2026-11-25T01:00:00/);
    expect(caller.refusal('read', 'pangu://local/a')).toMatch(/ended/);
  });

  test('notices a revocation at the next call', async () => {
    const { caller, stage, holding } = await admitted();
    expect(caller.refusal('read', 'pangu://local/a')).toBeUndefined();
    stage.revocations.revoke(holding.keyPair.fingerprint, { reason: 'laptop stolen' });
    expect(caller.refusal('read', 'pangu://local/a')).toMatch(/revoked.*laptop stolen/);
  });

  test('goes on until a revocation that was written beforehand begins', async () => {
    const { caller, stage, holding } = await admitted();
    stage.revocations.revoke(holding.keyPair.fingerprint, { fromMs: NOW_MS + 500 });
    stage.clock.advance(499);
    expect(caller.ended()).toBeUndefined();
    stage.clock.advance(1);
    expect(caller.ended()).toMatch(/revoked/);
  });

  test('ends when its issuer is trusted no more, or no longer', async () => {
    const issuer = createKeyPair();
    let keys: TrustedKey[] = [{ ...issuer, untilMs: NOW_MS + 5_000 }];
    const trust = { version: 1, issuer: (fingerprint: string) => keys.find((key) => key.fingerprint === fingerprint) };
    const { stage, guard } = staged({ trust });
    const challenge = challengeOf();
    const caller = await guard.admit(credentialsOf(await stage.issued({ by: issuer }), challenge), challenge);
    stage.clock.advance(4_999);
    expect(caller.ended()).toBeUndefined();
    stage.clock.advance(1);
    expect(caller.ended()).toMatch(/issuer/);
    keys = [issuer];
    trust.version++;
    expect(caller.ended()).toBeUndefined();
    keys = [];
    trust.version++;
    expect(caller.ended()).toMatch(/issuer/);
  });
});
