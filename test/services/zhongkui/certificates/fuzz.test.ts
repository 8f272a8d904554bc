import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Random, seededRandom } from '../../../../services/base/random.ts';
import { newPrivateKeyPem } from '../../../../services/zhongkui/certificates/encodings.ts';
import { proveJoin, proveRenewal } from '../../../../services/zhongkui/certificates/proofs.ts';
import { createRequest, readRequest } from '../../../../services/zhongkui/certificates/request.ts';
import { ALGORITHM, cryptoKeysOf, x509 } from '../../../../services/zhongkui/certificates/x509.ts';
import { ZhongkuiError } from '../../../../services/zhongkui/contract.ts';
import { parseJoinToken } from '../../../../services/zhongkui/core/join-token.ts';
import { type AuthorityStage, stageAuthority } from './stage.ts';

/**
 * Whatever comes over the wire, the answer is a refusal with a code and never anything else. What is mutated here is signed again with the token's key, so that it
 * reaches what reads it: a holder of a token is the one attacker who gets there.
 */
const SEED = Number(process.env.FEITIAN_TEST_SEED ?? Date.now() % 1e9);
const random = seededRandom(SEED);
const REFUSALS = ['JoinRefused', 'CertificateRefused'];

let stage: AuthorityStage;
let token: string;
beforeAll(async () => {
  stage = await stageAuthority();
  token = await stage.token();
});
afterAll(() => stage.close());

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'none';
  } catch (error) {
    if (error instanceof ZhongkuiError) return error.code;
    throw new Error(`seed ${SEED}: ${error instanceof Error ? error.stack : error}`);
  }
}

function joinWith(csr: Uint8Array): Promise<string> {
  const { id, secret } = parseJoinToken(token)!;
  return codeOf(stage.ask.join({ token: id, csr, proof: proveJoin('local', secret, { token: id, csr }) }));
}

function mutated(bytes: Uint8Array, { int }: Random): Buffer {
  const copy = Buffer.from(bytes);
  const at = int(copy.length);
  switch (int(5)) {
    case 0: {
      copy[at] = copy[at]! ^ (1 << int(8));
      return copy;
    }
    case 1:
      return copy.subarray(0, at);
    case 2:
      return Buffer.concat([copy.subarray(0, at), Buffer.from([int(256)]), copy.subarray(at)]);
    case 3:
      return Buffer.concat([copy.subarray(0, at), copy.subarray(Math.min(copy.length, at + 1 + int(20)))]);
    default: {
      for (let i = 0; i <= int(8); i++) copy[int(copy.length)] = int(256);
      return copy;
    }
  }
}

test('a mutated request for a certificate is refused', async () => {
  const csr = await createRequest(newPrivateKeyPem(), { machine: 'node-1', cluster: 'local', addresses: ['10.0.0.1', 'fe80::1'] });
  for (let i = 0; i < 150; i++) {
    const wrong = mutated(csr, random);
    if (wrong.equals(csr)) continue;
    expect(REFUSALS, `seed ${SEED}, step ${i}: ${wrong.toString('hex')}`).toContain(await joinWith(wrong));
  }
  // And none of them used the token up.
  expect(await stage.store.useOf(parseJoinToken(token)!.id)).toBeUndefined();
});

test('bytes at random, deep nesting and much too much are refused, quickly', async () => {
  const nested = Buffer.concat(Array.from({ length: 900 }, () => Buffer.from([0x30, 0x80])));
  const indefinite = Buffer.concat([nested, Buffer.alloc(1_800)]);
  const samples = [Buffer.alloc(0), nested, indefinite, Buffer.alloc(5_000_000, 0x30), Buffer.from([0x30, 0x84, 0x7f, 0xff, 0xff, 0xff])];
  for (let i = 0; i < 40; i++) samples.push(Buffer.from(Array.from({ length: random.int(200) }, () => random.int(256))));
  const startedMs = performance.now();
  for (const sample of samples) expect(REFUSALS, `seed ${SEED}`).toContain(await joinWith(sample));
  expect(performance.now() - startedMs).toBeLessThan(5_000);
});

test('mutated tokens, ids and proofs are refused', async () => {
  const csr = await createRequest(newPrivateKeyPem(), { machine: 'node-1', cluster: 'local', addresses: [] });
  const { id, secret } = parseJoinToken(token)!;
  const proof = proveJoin('local', secret, { token: id, csr });
  for (const wrong of ['', id.slice(1), `${id}0`, '../../etc/passwd', `${id}\0`, `${id}.used`, '0'.repeat(1e6), id.toUpperCase()])
    expect(await codeOf(stage.ask.join({ token: wrong, csr, proof }))).toBe('JoinRefused');
  for (let i = 0; i < 60; i++) {
    const wrong = mutated(proof, random);
    if (!wrong.equals(proof)) expect(await codeOf(stage.ask.join({ token: id, csr, proof: wrong })), `seed ${SEED}`).toBe('JoinRefused');
  }
  const text = Buffer.from(token);
  for (let i = 0; i < 60; i++) {
    const wrong = mutated(text, random).toString('latin1');
    if (wrong !== token) expect(REFUSALS, `seed ${SEED}: ${wrong}`).toContain(await codeOf(stage.joined('node-9', { token: wrong })));
  }
});

test('mutated certificates and proofs are no renewal', async () => {
  const current = await stage.joined('node-5', { token: await stage.token() });
  const csr = await createRequest(newPrivateKeyPem(), { machine: 'node-5', cluster: 'local', addresses: [] });
  const der = Buffer.from(current.certificate.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const pemOf = (bytes: Buffer) => `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64')}\n-----END CERTIFICATE-----\n`;
  for (let i = 0; i < 60; i++) {
    const wrong = mutated(der, random);
    if (wrong.equals(der)) continue;
    const request = { certificate: pemOf(wrong), csr };
    const proof = proveRenewal('local', current.key, request);
    expect(await codeOf(stage.ask.renew({ ...request, proof })), `seed ${SEED}, step ${i}`).toBe('CertificateRefused');
  }
  const request = { certificate: current.certificate, csr };
  for (const proof of [new Uint8Array(0), new Uint8Array(64), new Uint8Array(72).fill(0x30), sign('sha256', csr, current.key)])
    expect(await codeOf(stage.ask.renew({ ...request, proof }))).toBe('CertificateRefused');
  for (const certificate of ['', 'x', current.certificate.repeat(2).slice(10), '\0'.repeat(1e5)])
    expect(await codeOf(stage.ask.renew({ certificate, csr, proof: new Uint8Array(70) }))).toBe('CertificateRefused');
});

describe('a well-formed request that asks for what nobody gets', () => {
  type Name = { type: 'dns' | 'ip' | 'email' | 'url' | 'id'; value: string };
  const dns = (value: string): Name => ({ type: 'dns', value });
  async function request({
    subject = 'CN=node-1',
    names = [dns('node-1.local')] as Name[],
    extra = [] as unknown[],
    key = newPrivateKeyPem(),
  } = {}) {
    const made = await x509.Pkcs10CertificateRequestGenerator.create({
      name: subject,
      keys: await cryptoKeysOf(key),
      signingAlgorithm: ALGORITHM,
      extensions: [...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []), ...(extra as [])],
    });
    return Buffer.from(made.rawData);
  }

  test('is what the tests below change', async () => {
    expect(await readRequest(await request(), 'local')).toMatchObject({ machine: 'node-1', names: ['node-1.local'], addresses: [] });
  });

  test.each<[string, Parameters<typeof request>[0]]>([
    ['no name', { names: [] }],
    ['another machine’s name', { names: [dns('node-2.local')] }],
    ['another machine’s name beside its own', { names: [dns('node-1.local'), dns('node-2.local')] }],
    ['its own name twice', { names: [dns('node-1.local'), dns('node-1.local')] }],
    ['a name of another cluster', { names: [dns('node-1.other')] }],
    ['a name outside', { names: [dns('example.com')] }],
    ['all machines', { subject: 'CN=*', names: [dns('*.local')] }],
    ['a wildcard', { names: [dns('*.local')] }],
    ['the cluster itself', { names: [dns('local')] }],
    ['a name with a zero in it', { names: [dns('node-1.local\0.example.com')] }],
    ['a name in capitals', { subject: 'CN=NODE-1', names: [dns('NODE-1.LOCAL')] }],
    ['a name that looks alike', { subject: 'CN=nоde-1', names: [dns('nоde-1.local')] }],
    ['a name that ends in a dot', { names: [dns('node-1.local.')] }],
    ['a name of two labels', { subject: 'CN=a.b', names: [dns('a.b.local')] }],
    ['a very long name', { subject: `CN=${'a'.repeat(64)}`, names: [dns(`${'a'.repeat(64)}.local`)] }],
    ['a subject with more in it', { subject: 'CN=node-1, O=admin' }],
    ['two names in the subject', { subject: 'CN=node-1, CN=node-2' }],
    ['an empty subject', { subject: '' }],
    ['an address of all', { names: [dns('node-1.local'), { type: 'ip', value: '0.0.0.0' }] }],
    ['an address of a group', { names: [dns('node-1.local'), { type: 'ip', value: '224.0.0.1' }] }],
    ['IPv4 written as IPv6', { names: [dns('node-1.local'), { type: 'ip', value: '::ffff:10.0.0.1' }] }],
    ['an address twice', { names: [dns('node-1.local'), { type: 'ip', value: '10.0.0.1' }, { type: 'ip', value: '10.0.0.1' }] }],
    [
      'too many addresses',
      { names: [dns('node-1.local'), ...Array.from({ length: 17 }, (_, i) => ({ type: 'ip' as const, value: `10.0.0.${i}` }))] },
    ],
    ['an e-mail address', { names: [dns('node-1.local'), { type: 'email', value: 'a@local' }] }],
    ['a URL', { names: [dns('node-1.local'), { type: 'url', value: 'spiffe://local/admin' }] }],
    ['to be an authority', { extra: [new x509.BasicConstraintsExtension(true, 5, true)] }],
    ['to sign certificates', { extra: [new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true)] }],
    ['other uses', { extra: [new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.3'])] }],
  ])('%s', async (_, changes) => {
    expect(await codeOf(readRequest(await request(changes), 'local'))).toBe('CertificateRefused');
  });

  test('keys of other kinds', async () => {
    for (const [algorithm, pair] of [
      [{ name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }, generateKeyPairSync('ec', { namedCurve: 'P-384' })],
      [{ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, generateKeyPairSync('rsa', { modulusLength: 1024 })],
    ] as const) {
      const { subtle } = crypto;
      const keys = {
        privateKey: await subtle.importKey('pkcs8', pair.privateKey.export({ type: 'pkcs8', format: 'der' }), algorithm, false, ['sign']),
        publicKey: await subtle.importKey('spki', pair.publicKey.export({ type: 'spki', format: 'der' }), algorithm, true, ['verify']),
      };
      const made = await x509.Pkcs10CertificateRequestGenerator.create({
        name: 'CN=node-1',
        keys,
        signingAlgorithm: algorithm,
        extensions: [new x509.SubjectAlternativeNameExtension([dns('node-1.local')])],
      } as never);
      expect(await codeOf(readRequest(Buffer.from(made.rawData), 'local'))).toBe('CertificateRefused');
    }
  });

  test('whatever the names, only machine and cluster fit each other', async () => {
    const key = newPrivateKeyPem();
    createPrivateKey(key);
    const labels = fc.oneof(fc.constantFrom('node-1', 'local', '*', ''), fc.string({ maxLength: 12 }), fc.domain());
    await fc.assert(
      fc.asyncProperty(labels, labels, async (machine, name) => {
        let csr: Buffer;
        try {
          csr = await request({ subject: `CN=${machine}`, names: [dns(name)], key });
        } catch {
          return true; // no request can be made of it
        }
        try {
          const read = await readRequest(csr, 'local');
          return read.names[0] === `${read.machine}.local` && /^[a-z0-9-]+$/.test(read.machine);
        } catch (error) {
          return error instanceof ZhongkuiError && error.code === 'CertificateRefused';
        }
      }),
      { numRuns: 50 },
    );
  });
});
