import { X509Certificate } from 'node:crypto';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../../../../services/base/clock.ts';
import { newPrivateKeyPem } from '../../../../services/zhongkui/certificates/encodings.ts';
import { joinMachine } from '../../../../services/zhongkui/certificates/join-machine.ts';
import { loadMachine } from '../../../../services/zhongkui/certificates/machine-files.ts';
import { proveJoin } from '../../../../services/zhongkui/certificates/proofs.ts';
import { createRequest } from '../../../../services/zhongkui/certificates/request.ts';
import { parseJoinToken } from '../../../../services/zhongkui/core/join-token.ts';
import { type AuthorityStage, refusalOf, stageAuthority } from './stage.ts';

let clock: ManualClock;
let stage: AuthorityStage;

beforeEach(async () => {
  clock = new ManualClock(Date.now());
  stage = await stageAuthority({ clock });
});
afterEach(() => stage.close());

/** A request by a key of its own, without files. */
async function requestOf(text: string, machine: string, { key = newPrivateKeyPem(), addresses = [] as string[], cluster = 'local' } = {}) {
  const { id, secret } = parseJoinToken(text)!;
  const request = { token: id, csr: await createRequest(key, { machine, cluster, addresses }) };
  return { ...request, proof: proveJoin('local', secret, request) };
}

describe('a new machine', () => {
  test('gets a certificate for its name and addresses, for a day, to speak both ways, and never to certify others', async () => {
    await stage.joined('node-1', { addresses: ['10.0.0.1', 'fe80::0:1'] });
    const machine = await loadMachine(stage.filesOf('node-1'));
    const certificate = new X509Certificate(machine.certificate);
    expect(certificate.subjectAltName).toBe('DNS:node-1.local, IP Address:10.0.0.1, IP Address:FE80:0:0:0:0:0:0:1');
    expect(machine).toMatchObject({ machine: 'node-1', cluster: 'local', addresses: ['10.0.0.1', 'fe80::1'] });
    expect(certificate.ca).toBe(false);
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    expect(machine.notAfterMs - clock.nowMs()).toBeGreaterThan(23.9 * 3_600_000);
    expect(machine.notAfterMs - clock.nowMs()).toBeLessThanOrEqual(24 * 3_600_000);
    expect(machine.notBeforeMs).toBeLessThanOrEqual(clock.nowMs() - 5 * 60_000);
    expect(certificate.serialNumber).toMatch(/^[0-9A-F]{1,32}$/);
    expect(certificate.verify(new X509Certificate(machine.roots[0]!).publicKey)).toBe(true);
  });

  test('leaves files that its owner alone may read, and nothing half done', async () => {
    await stage.joined('node-1');
    const { keyFile, certificateFile } = stage.filesOf('node-1');
    for (const file of [keyFile, certificateFile, join(stage.directory, 'authority', 'authority.json')])
      expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await readdir(join(stage.directory, 'node-1'))).sort()).toEqual(['machine.crt', 'machine.key']);
  });

  test('leaves no secret of its token with the authority', async () => {
    const token = await stage.token();
    await stage.joined('node-1', { token });
    const { secret } = parseJoinToken(token)!;
    for (const path of await readdir(join(stage.directory, 'joins'), { recursive: true }))
      if (path.endsWith('.json')) expect(await readFile(join(stage.directory, 'joins', path), 'utf8')).not.toContain(secret);
  });
});

describe('a join token', () => {
  test('lets one key in: the same key again, no other', async () => {
    const token = await stage.token();
    const key = newPrivateKeyPem();
    await stage.ask.join(await requestOf(token, 'node-1', { key }));
    const again = await stage.ask.join(await requestOf(token, 'node-1', { key }));
    expect(again.certificate).toContain('BEGIN CERTIFICATE');
    expect(await refusalOf(stage.ask.join(await requestOf(token, 'node-1')))).toMatch(
      /^JoinRefused: the token was used, by another key: make a new one/,
    );
    expect(await refusalOf(stage.ask.join(await requestOf(token, 'node-2', { key })))).toMatch(
      /^JoinRefused: the token was used for node-1/,
    );
  });

  test('lets one of many in that come at once to two processes over the same files', async () => {
    const token = await stage.token();
    const other = await stage.again();
    const requests = await Promise.all(Array.from({ length: 12 }, (_, i) => requestOf(token, `node-${i}`)));
    const answers = await Promise.allSettled(requests.map((request, i) => (i % 2 === 0 ? stage.ask : other).join(request)));
    const got = answers.filter(({ status }) => status === 'fulfilled');
    expect(got).toHaveLength(1);
    for (const answer of answers) if (answer.status === 'rejected') expect(answer.reason.code).toBe('JoinRefused');
  });

  test('that was claimed before a crash gives the same key its certificate afterwards, and another none', async () => {
    const token = await stage.token();
    // The authority dies after the claim and before the answer.
    const dying = { ...stage.authority, issue: () => Promise.reject(new Error('the machine lost power')) };
    const { createJoinContext } = await import('../../../../services/zhongkui/ops/join-context.ts');
    const { join: joinOp } = await import('../../../../services/zhongkui/ops/join.ts');
    const { silentLogger } = await import('../../../../services/base/log.ts');
    const dyingJoin = joinOp(createJoinContext({ authority: dying, store: stage.store, clock, log: silentLogger }));
    expect(await refusalOf(stage.joined('node-1', { token, ask: { join: dyingJoin } }))).toBe('the machine lost power');
    expect(await readdir(join(stage.directory, 'node-1'))).toEqual(['machine.key.next']);

    const revived = await stage.again();
    expect(await refusalOf(revived.join(await requestOf(token, 'node-1')))).toMatch(/^JoinRefused: the token was used, by another key/);
    const machine = await stage.joined('node-1', { token, ask: revived });
    expect(await loadMachine(stage.filesOf('node-1'))).toMatchObject({ serial: machine.serial });
  });

  test('is good until it expires', async () => {
    const token = await stage.token({ ttlMs: 60_000 });
    clock.advance(59_999);
    const key = newPrivateKeyPem();
    await stage.ask.join(await requestOf(token, 'node-1', { key }));
    clock.advance(1);
    expect(await refusalOf(stage.ask.join(await requestOf(token, 'node-1', { key })))).toMatch(/^JoinRefused: the token has expired/);
  });

  test('that is unknown or shown without its secret is refused alike', async () => {
    const known = await requestOf(await stage.token(), 'node-1');
    const unknown = { ...known, token: '0123456789abcdef' };
    const unproven = { ...known, proof: new Uint8Array(64) };
    const [first, second] = [await refusalOf(stage.ask.join(unknown)), await refusalOf(stage.ask.join(unproven))];
    expect(first).toMatch(
      /^JoinRefused: the token is not known here: make a new one on the authority's machine with "feitian key join-token"/,
    );
    expect(second).toBe(first);
  });

  test('that somebody overheard being used is of no use for another key', async () => {
    const overheard = await requestOf(await stage.token(), 'node-1');
    const other = await createRequest(newPrivateKeyPem(), { machine: 'node-1', cluster: 'local', addresses: [] });
    expect(await refusalOf(stage.ask.join({ ...overheard, csr: other }))).toMatch(/^JoinRefused/);
  });

  test('that names a machine and addresses is for those alone', async () => {
    const token = await stage.token({ machine: 'node-1', addresses: ['10.0.0.1'] });
    expect(await refusalOf(stage.ask.join(await requestOf(token, 'node-2')))).toMatch(/the token is for node-1, not for node-2/);
    expect(await refusalOf(stage.ask.join(await requestOf(token, 'node-1', { addresses: ['10.0.0.2'] })))).toMatch(
      /does not allow 10.0.0.2/,
    );
    await stage.ask.join(await requestOf(token, 'node-1', { addresses: ['10.0.0.1', '127.0.0.1', '::1'] }));
  });

  test('that names no machine takes nobody else’s name or address; one that does gives a machine a new beginning', async () => {
    await stage.joined('node-1', { addresses: ['10.0.0.1'] });
    const token = await stage.token();
    expect(await refusalOf(stage.ask.join(await requestOf(token, 'node-1')))).toMatch(/^JoinRefused: there is a machine node-1 already/);
    expect(await refusalOf(stage.ask.join(await requestOf(token, 'node-2', { addresses: ['10.0.0.1'] })))).toMatch(
      /10.0.0.1 belongs to node-1/,
    );
    await stage.ask.join(await requestOf(token, 'node-2', { addresses: ['10.0.0.2', '127.0.0.1'] }));
    await stage.ask.join(await requestOf(await stage.token({ machine: 'node-1' }), 'node-1', { addresses: ['10.0.0.3'] }));
    // Two on one host, if whoever made the token said so.
    await stage.ask.join(await requestOf(await stage.token({ addresses: ['10.0.0.2'] }), 'node-3', { addresses: ['10.0.0.2'] }));
  });

  test('frees an address once the certificate of the machine that had it has expired', async () => {
    await stage.joined('node-1', { addresses: ['10.0.0.1'] });
    clock.advance(24 * 3_600_000 + 1);
    await stage.joined('node-2', { addresses: ['10.0.0.1'] });
  });

  test('is not made for what could never be certified', async () => {
    for (const options of [
      { machine: '*' },
      { machine: 'a.b' },
      { addresses: ['0.0.0.0'] },
      { addresses: ['x'] },
      { ttlMs: 0 },
      { ttlMs: 25 * 3_600_000 },
      { ttlMs: Number.NaN },
    ])
      expect(await refusalOf(stage.token(options)), JSON.stringify(options)).toMatch(/^CertificateRefused/);
  });

  test('is forgotten a while after it expired, its use after it', async () => {
    const token = await stage.token({ ttlMs: 1_000 });
    await stage.joined('node-1', { token });
    const kept = await stage.token();
    clock.advance(2_000);
    await stage.store.forgetExpired(clock.nowMs());
    expect((await stage.store.tokens()).map((each) => each.token.id)).toEqual([parseJoinToken(kept)!.id]);
    expect(await refusalOf(stage.joined('node-1', { token }))).toMatch(/^JoinRefused: the token is not known here/);
  });
});

describe('an answer', () => {
  test('by another authority is not believed, whatever network it came over', async () => {
    const impostor = await stageAuthority({ clock });
    const token = await stage.token();
    await impostor.store.add((await stage.store.find(parseJoinToken(token)!.id))!);
    expect(await refusalOf(stage.joined('node-1', { token, ask: impostor.ask }))).toMatch(
      /^CertificateRefused: the authority's answer: it is not signed by an authority/,
    );
    await impostor.close();
  });

  test('with a root added on the way, or a certificate of another machine, is not believed', async () => {
    const impostor = await stageAuthority({ clock });
    const [strange] = await impostor.authority.trusted();
    const between = {
      join: async (request: Parameters<typeof stage.ask.join>[0]) => {
        const answer = await stage.ask.join(request);
        return { ...answer, roots: [...answer.roots, strange!.certificate] };
      },
    };
    expect(await refusalOf(stage.joined('node-1', { ask: between }))).toMatch(/^CertificateRefused: .*not signed/);
    const other = await stage.joined('node-2');
    const swapped = {
      join: async (request: Parameters<typeof stage.ask.join>[0]) => ({
        ...(await stage.ask.join(request)),
        certificate: other.certificate,
      }),
    };
    expect(await refusalOf(stage.joined('node-3', { ask: swapped }))).toMatch(/^CertificateRefused: .*not signed/);
    await impostor.close();
  });

  test('to a machine whose clock is far off says so', async () => {
    const late = new ManualClock(clock.nowMs() - 3_600_000);
    expect(await refusalOf(stage.joined('node-1', { clock: late }))).toMatch(/set the clock right/);
  });
});

test('what is no token is told so', async () => {
  const token = await stage.token();
  for (const text of [
    '',
    'x',
    token.slice(1),
    token.slice(0, -1),
    `${token}A`,
    token.replace('local', 'LOCAL'),
    `${token}${'.a'.repeat(1e5)}`,
  ])
    expect(await refusalOf(stage.joined('node-1', { token: text }))).toMatch(/^JoinRefused: that is no join token/);
  await joinMachine({ token: ` ${token}\n`, machine: 'node-1', files: stage.filesOf('node-1'), ask: stage.ask, clock });
  await rm(join(stage.directory, 'node-1'), { recursive: true });
});
