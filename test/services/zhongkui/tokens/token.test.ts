import { createHash } from 'node:crypto';
import { CompactSign } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { CHAIN_LINKS_MAX, TOKEN_BYTES_MAX } from '../../../../services/zhongkui/contract.ts';
import { formatLink } from '../../../../services/zhongkui/core/link.ts';
import { createKeyPair, fingerprintOf, type KeyPair } from '../../../../services/zhongkui/keys/key-pair.ts';
import { decodeToken, headerOf } from '../../../../services/zhongkui/tokens/decode-token.ts';
import type { Holding } from '../../../../services/zhongkui/tokens/delegate.ts';
import { signLink } from '../../../../services/zhongkui/tokens/sign-link.ts';
import { verifyToken } from '../../../../services/zhongkui/tokens/verify-token.ts';
import { can, HOUR_MS, NOW_MS, Stage } from '../stage.ts';

const stage = new Stage();
const verify = (token: unknown) => verifyToken(token, (fingerprint) => stage.trust.issuer(fingerprint));
const refused = (code: string) => expect.objectContaining({ name: 'ZhongkuiError', code });
const b64 = (text: string | Uint8Array): string => Buffer.from(text as string).toString('base64url');

let alice: Holding & { id: string };
let laptop: Holding & { id: string };
beforeAll(async () => {
  alice = await stage.issued({ capabilities: [can('pangu://local/home/alice', 'read', 'write')] });
  laptop = await stage.delegated(alice, { name: 'user/alice/laptop', capabilities: [can('pangu://local/home/alice/books', 'read')] });
});

describe('a token', () => {
  test('says who holds it and what it allows, by the issuer', async () => {
    const { grant, cluster } = await verify(alice.token);
    expect(cluster).toBe('local');
    expect(grant).toEqual({
      id: alice.id,
      name: 'user/alice',
      limitedBy: [],
      holder: alice.keyPair.fingerprint,
      capabilities: [can('pangu://local/home/alice', 'read', 'write')],
      notBeforeMs: NOW_MS,
      expiresAtMs: NOW_MS + HOUR_MS,
      revocableBy: [stage.issuerKey.fingerprint, alice.id, alice.keyPair.fingerprint],
    });
  });

  test('that is delegated names all by whom it can be ended, and ends with the first of them', async () => {
    const long = await stage.delegated(laptop, { ttlMs: 10 * HOUR_MS });
    const { grant } = await verify(long.token);
    expect(grant).toMatchObject({ name: 'user/alice/laptop', holder: long.keyPair.fingerprint, expiresAtMs: NOW_MS + HOUR_MS });
    const ids = [alice, laptop, long].flatMap(({ id, keyPair }) => [id, keyPair.fingerprint]);
    expect(grant.revocableBy).toEqual([stage.issuerKey.fingerprint, ...ids]);
  });

  test('has the form that the README tells other languages', () => {
    const [header, payload] = alice.token.split('.').map((part) => Buffer.from(part, 'base64url').toString());
    expect(header).toBe(`{"alg":"EdDSA","typ":"feitian-link+jws","kid":"${stage.issuerKey.fingerprint}"}`);
    expect(payload).toBe(
      `{"jti":"${alice.id}","aud":"local","sub":"user/alice","cnf":{"jwk":{"kty":"OKP","crv":"Ed25519","x":"${alice.keyPair.x}"}},` +
        `"cap":[{"res":"pangu://local/home/alice","ops":["read","write"]}],"nbf":${NOW_MS / 1000},"exp":${(NOW_MS + HOUR_MS) / 1000}}`,
    );
    const [first, second] = laptop.token.split('~');
    expect(first).toBe(alice.token);
    expect(JSON.parse(Buffer.from(second!.split('.')[1]!, 'base64url').toString()).prev).toBe(
      createHash('sha256').update(first!).digest('base64url'),
    );
  });

  test('names keys as RFC 7638 does', () => {
    // The example of RFC 8037, appendix A.3.
    expect(fingerprintOf('11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo')).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
  });
});

describe('delegation', () => {
  const wider: [string, Partial<Parameters<Stage['delegated']>[1]>][] = [
    ['a wider prefix', { capabilities: [can('pangu://local/home', 'read')] }],
    ['a neighbour with the same beginning', { capabilities: [can('pangu://local/home/alice2', 'read')] }],
    ['one more operation', { capabilities: [can('pangu://local/home/alice', 'read', 'admin')] }],
    ['somebody else’s name', { name: 'user/bob' }],
    ['the name of a service', { name: 'service/pangu-master' }],
  ];
  test.each(wider)('refuses %s', async (_, options) => {
    await expect(stage.delegated(alice, options)).rejects.toThrow(refused('TokenWidened'));
  });

  test('needs the key that the token was given to', async () => {
    await expect(stage.delegated({ token: alice.token, keyPair: createKeyPair() })).rejects.toThrow(refused('WrongHolder'));
  });

  test('goes so far and no further', async () => {
    let at: Holding = alice;
    for (let links = 1; links < CHAIN_LINKS_MAX; links++) at = await stage.delegated(at);
    expect((await verify(at.token)).links).toHaveLength(CHAIN_LINKS_MAX);
    await expect(stage.delegated(at)).rejects.toThrow(refused('TokenWidened'));
  });

  test('of a token that is over is refused', async () => {
    const short = await stage.issued({ ttlMs: 1_000 });
    stage.clock.advance(2_000);
    await expect(stage.delegated(short)).rejects.toThrow(refused('TokenExpired'));
    stage.clock.advance(-2_000);
  });
});

describe('what no honest holder makes', () => {
  /** As delegate() does it, without its refusals. */
  const forged = async (from: Holding, change: object, signer: KeyPair = from.keyPair, key = createKeyPair()) => {
    const { links, grant } = decodeToken(from.token);
    const last = links.at(-1)!;
    const link = { ...last, id: 'forged-link', name: grant.name, key: key.x, previous: last.digest, ...change };
    return { token: `${from.token}~${await signLink(link, signer)}`, keyPair: key };
  };

  const signed = (header: object, payload: string, key: KeyPair) =>
    new CompactSign(Buffer.from(payload)).setProtectedHeader(header as never).sign(key.privateKey);
  const payloadOf = (token: string): string => Buffer.from(token.split('.')[1]!, 'base64url').toString();

  test('a chain that goes on as it should is taken', async () => {
    expect((await verify((await forged(alice, {})).token)).grant.id).toBe('forged-link');
  });

  test.each([
    ['more operations', { capabilities: [can('pangu://local/home/alice', 'read', 'write', 'admin')] }, 'TokenWidened'],
    ['a wider prefix', { capabilities: [can('pangu://local/', 'read')] }, 'TokenWidened'],
    ['another scheme', { capabilities: [can('nuwa://local/home/alice', 'read')] }, 'TokenWidened'],
    ['another name', { name: 'user/root' }, 'TokenWidened'],
    ['another link before it', { previous: b64(Buffer.alloc(32)) }, 'TokenForged'],
    ['no link before it', { previous: undefined }, 'TokenForged'],
    ['another cluster', { cluster: 'other', capabilities: [] }, 'TokenWidened'],
  ])('a link with %s is refused', async (_, change, code) => {
    await expect(verify((await forged(alice, change)).token)).rejects.toThrow(refused(code));
  });

  test('a later end is no longer life', async () => {
    const { token } = await forged(alice, { expiresAtSeconds: NOW_MS / 1000 + 1e6 });
    expect((await verify(token)).grant.expiresAtMs).toBe(NOW_MS + HOUR_MS);
  });

  test('a link signed by somebody else is refused', async () => {
    const thief = createKeyPair();
    await expect(verify((await forged(alice, {}, thief)).token)).rejects.toThrow(refused('TokenForged'));
    // Who says that the right one signed it.
    const text = (await forged(alice, {}, thief)).token;
    const parts = text.split('~')[1]!.split('.');
    const header = b64(JSON.stringify(headerOf(alice.keyPair.fingerprint)));
    await expect(verify(`${alice.token}~${header}.${parts[1]}.${parts[2]}`)).rejects.toThrow(refused('TokenForged'));
  });

  test('a link that names another signer than its own is refused', async () => {
    const payload = payloadOf((await forged(alice, {})).token.split('~')[1]!);
    const text = await signed(headerOf(stage.issuerKey.fingerprint), payload, alice.keyPair);
    await expect(verify(`${alice.token}~${text}`)).rejects.toThrow(refused('TokenForged'));
  });

  test.each<[string, (token: string) => string]>([
    // Of the last character of 64 bytes four bits say nothing.
    ['bits left over', (token) => token.slice(0, -1) + String.fromCharCode(token.charCodeAt(token.length - 1) + 1)],
    ['padding', (token) => `${token}==`],
    ['white space', (token) => `${token}\n`],
    ['the other alphabet', (token) => token.replace(/[-_]/g, (each) => (each === '-' ? '+' : '/'))],
  ])('a signature with %s is refused, though it says the same', async (_, change) => {
    const parts = (text: string) => text.split('.').map((part) => Buffer.from(part, 'base64url').toString('hex'));
    const changed = change(alice.token);
    expect(changed).not.toBe(alice.token);
    expect(parts(changed)).toEqual(parts(alice.token));
    await expect(verify(changed)).rejects.toThrow(refused('TokenMalformed'));
  });

  test('an issuer that is not trusted is refused', async () => {
    const stranger = await stage.issued({ by: createKeyPair() });
    await expect(verify(stranger.token)).rejects.toThrow(refused('TokenForged'));
  });

  test('links of two chains do not join, though one key holds both', async () => {
    const wide = await stage.issued({ keyPair: alice.keyPair, capabilities: [can('pangu://local/', 'read', 'write')] });
    const link = laptop.token.split('~')[1]!;
    await expect(verify(`${wide.token}~${link}`)).rejects.toThrow(refused('TokenForged'));
    await expect(verify(`${laptop.token}~${link}`)).rejects.toThrow(refused('TokenForged'));
    await expect(verify(link)).rejects.toThrow(refused('TokenForged'));
    await expect(verify(`${alice.token}~${alice.token}`)).rejects.toThrow(refused('TokenForged'));
  });

  const { fingerprint } = stage.issuerKey;
  const header = headerOf(fingerprint);

  test.each([
    ['a key of its own', { ...header, jwk: { kty: 'OKP', crv: 'Ed25519', x: stage.issuerKey.x } }],
    ['the address of a key', { ...header, jku: 'https://keys.example' }],
    ['another type', { ...header, typ: 'JWT' }],
    ['no type', { alg: 'EdDSA', kid: fingerprint }],
    ['no key id', { alg: 'EdDSA', typ: header.typ }],
    ['another order', { kid: fingerprint, alg: 'EdDSA', typ: header.typ }],
    ['the newer name of the algorithm', { ...header, alg: 'Ed25519' }],
  ])('a header with %s is refused', async (_, strange) => {
    await expect(verify(await signed(strange, payloadOf(alice.token), stage.issuerKey))).rejects.toThrow(refused('TokenMalformed'));
  });

  test.each([
    ['none', ''],
    ['none', b64(Buffer.alloc(64))],
    ['HS256', b64(Buffer.alloc(32))],
    ['HS512', b64(Buffer.alloc(64))],
    ['ES256', b64(Buffer.alloc(64))],
  ])('the algorithm %s is refused', async (alg, signature) => {
    const text = `${b64(JSON.stringify({ ...header, alg }))}.${alice.token.split('.')[1]}.${signature}`;
    await expect(verify(text)).rejects.toThrow(refused('TokenMalformed'));
  });

  test('extensions that must be understood are refused', async () => {
    const text = `${b64(JSON.stringify({ ...header, crit: ['exp'], exp: 1 }))}.${alice.token.split('.').slice(1).join('.')}`;
    await expect(verify(text)).rejects.toThrow(refused('TokenMalformed'));
  });

  const claims = payloadOf('.e30.');
  test.each<[string, (text: string) => string]>([
    ['nothing', () => claims],
    ['a claim twice', (text) => text.replace('{', '{"sub":"user/root",')],
    ['white space', (text) => text.replace('{', '{ ')],
    ['a number in another form', (text) => text.replace(/"nbf":(\d+)/, '"nbf":$1.0')],
    ['an escaped letter', (text) => text.replace('user/alice', 'user\\/alice')],
    ['one claim more', (text) => text.replace(/\}$/, ',"admin":true}')],
    ['a prototype', (text) => text.replace('{', '{"__proto__":{"prev":"x"},')],
    ['claims in another order', (text) => text.replace(/("nbf":\d+),("exp":\d+)/, '$2,$1')],
    ['an end before the beginning', (text) => text.replace(/"exp":\d+/, '"exp":1')],
    ['a time without end', (text) => text.replace(/"exp":\d+/, '"exp":1e999')],
    ['a name that is none', (text) => text.replace('user/alice', 'root')],
    ['a resource that climbs', (text) => text.replace('home/alice', 'home/../alice')],
    ['a resource elsewhere', (text) => text.replace('pangu://local', 'pangu://other')],
    ['an operation that there is not', (text) => text.replace('"read"', '"all"')],
    ['the key of somebody short', (text) => text.replace(/"x":"[^"]*"/, '"x":"AAAA"')],
    ['a list', (text) => `[${text}]`],
    ['a very deep list', () => '['.repeat(8_000) + ']'.repeat(8_000 / 2)],
    ['deep objects', (text) => text.replace(/\[\{"res.*\}\]/, `${'{"a":'.repeat(1_500)}1${'}'.repeat(1_500)}`)],
  ])('claims with %s are refused, though the issuer signed them', async (_, change) => {
    const payload = payloadOf(alice.token);
    const changed = change(payload);
    expect(changed).not.toBe(payload);
    await expect(verify(await signed(header, changed, stage.issuerKey))).rejects.toThrow(refused('TokenMalformed'));
  });

  test('a holder whose key has two forms is refused', async () => {
    // 2^255 - 18, which is 1 written otherwise.
    const x = b64(Buffer.concat([Buffer.from([0xee]), Buffer.alloc(30, 0xff), Buffer.from([0x7f])]));
    const link = { ...decodeToken(alice.token).links[0]!, key: x };
    const text = await signed(header, formatLink(link), stage.issuerKey);
    await expect(verify(text)).rejects.toThrow(refused('KeyMalformed'));
  });

  test('more than a token holds is refused at once', async () => {
    const startMs = performance.now();
    for (const text of [
      'x'.repeat(1e7),
      '~'.repeat(TOKEN_BYTES_MAX),
      '.'.repeat(TOKEN_BYTES_MAX),
      `${alice.token}~`.repeat(12),
      '~',
      '..',
      '…',
    ])
      await expect(verify(text)).rejects.toThrow(expect.objectContaining({ name: 'ZhongkuiError' }));
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });
});
