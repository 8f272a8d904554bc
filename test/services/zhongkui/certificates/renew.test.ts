import { createPrivateKey } from 'node:crypto';
import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../../../../services/base/clock.ts';
import { silentLogger } from '../../../../services/base/log.ts';
import { keepOnce } from '../../../../services/zhongkui/background/keep-authority.ts';
import { openAuthority } from '../../../../services/zhongkui/certificates/authority.ts';
import { newPrivateKeyPem } from '../../../../services/zhongkui/certificates/encodings.ts';
import { renewMachine } from '../../../../services/zhongkui/certificates/join-machine.ts';
import type { MachineCertificate } from '../../../../services/zhongkui/certificates/machine-certificate.ts';
import { loadMachine, nextKey } from '../../../../services/zhongkui/certificates/machine-files.ts';
import { proveRenewal } from '../../../../services/zhongkui/certificates/proofs.ts';
import { createRequest } from '../../../../services/zhongkui/certificates/request.ts';
import { ROOT_LIFE_MS } from '../../../../services/zhongkui/core/authority-rotation.ts';
import { type AuthorityStage, refusalOf, stageAuthority } from './stage.ts';

const HOUR_MS = 3_600_000;
let clock: ManualClock;
let stage: AuthorityStage;

beforeEach(async () => {
  clock = new ManualClock(Date.now());
  stage = await stageAuthority({ clock });
});
afterEach(() => stage.close());

/** A renewal of `current` as somebody might ask for it. */
async function renewal(
  current: MachineCertificate,
  { machine = current.machine, addresses = current.addresses, cluster = 'local', by = current.key } = {},
) {
  const request = { certificate: current.certificate, csr: await createRequest(newPrivateKeyPem(), { machine, cluster, addresses }) };
  return stage.ask.renew({ ...request, proof: proveRenewal('local', by, request) });
}

describe('a renewal', () => {
  test('gives what the certificate has, or less', async () => {
    const current = await stage.joined('node-1', { addresses: ['10.0.0.1', '10.0.0.2'] });
    expect((await renewal(current)).certificate).toContain('BEGIN CERTIFICATE');
    expect((await renewal(current, { addresses: ['10.0.0.2'] })).certificate).toContain('BEGIN CERTIFICATE');
    for (const asked of [{ machine: 'node-2' }, { addresses: ['10.0.0.3'] }, { cluster: 'other' }])
      expect(await refusalOf(renewal(current, asked)), JSON.stringify(asked)).toMatch(/^CertificateRefused/);
  });

  test('is proven by the certificate’s key and no other', async () => {
    const current = await stage.joined('node-1');
    const by = createPrivateKey(newPrivateKeyPem());
    expect(await refusalOf(renewal(current, { by }))).toMatch(/^CertificateRefused: .*not signed by its key/);
  });

  test('needs a certificate of this authority that has not expired, and is no root', async () => {
    const other = await stageAuthority({ clock });
    expect(await refusalOf(renewal(await other.joined('node-1')))).toMatch(
      /not by this authority, or has expired: join again with a token/,
    );
    const current = await stage.joined('node-1');
    clock.advance(24 * HOUR_MS + 60_001);
    expect(await refusalOf(renewal(current))).toMatch(/not by this authority, or has expired/);
    const [root] = await stage.authority.trusted();
    expect(await refusalOf(renewal({ ...current, certificate: root!.certificate }))).toMatch(/^CertificateRefused/);
    await other.close();
  });

  test('is not for a machine that was barred, until a token names it', async () => {
    const current = await stage.joined('node-1');
    const [record] = await stage.store.machines();
    await stage.store.putMachine({ ...record!, barred: 'it was stolen' });
    expect(await refusalOf(renewal(current))).toMatch(/^CertificateRefused: .*node-1 is barred: it was stolen/);
    expect(await refusalOf(stage.joined('node-1'))).toMatch(/^JoinRefused: node-1 is barred/);
    await stage.joined('node-1', { token: await stage.token({ machine: 'node-1' }) });
    expect((await stage.store.machines())[0]).not.toHaveProperty('barred');
  });
});

describe('a crash of the machine', () => {
  const renew = async (current: MachineCertificate) => renewMachine(stage.filesOf('node-1'), current, stage.ask, () => clock.nowMs());

  test('before the answer leaves the old certificate with its key; the next try asks with the same new key', async () => {
    const current = await stage.joined('node-1');
    const key = await nextKey(stage.filesOf('node-1'), current);
    const found = await loadMachine(stage.filesOf('node-1'));
    expect(found.serial).toBe(current.serial);
    expect((await renew(found)).keyPem).toBe(key);
  });

  test('between the certificate and its key leaves a pair that fits, from which it goes on', async () => {
    const files = stage.filesOf('node-1');
    const old = await stage.joined('node-1');
    const renewed = await renew(old);
    // As if the last step had not been taken.
    await rename(files.keyFile, `${files.keyFile}.next`);
    await writeFile(files.keyFile, old.keyPem, { mode: 0o600 });
    const found = await loadMachine(files);
    expect([found.serial, found.keyPem]).toEqual([renewed.serial, renewed.keyPem]);
    const again = await renew(found);
    expect(again.keyPem).not.toBe(renewed.keyPem);
    expect((await loadMachine(files)).serial).toBe(again.serial);
  });

  test('files that do not fit, or that others may read, are refused with their names', async () => {
    const files = stage.filesOf('node-1');
    expect(await refusalOf(loadMachine(files))).toMatch(/^NoSuchKey: there is no certificate in .*machine.crt: join with a token first/);
    await stage.joined('node-1');
    await chmod(files.keyFile, 0o644);
    expect(await refusalOf(loadMachine(files))).toMatch(/^KeyUnsafe: .*machine.key may be read by others/);
    await chmod(files.keyFile, 0o600);
    await writeFile(files.keyFile, newPrivateKeyPem());
    expect(await refusalOf(loadMachine(files))).toMatch(/^KeyMalformed: .*machine.crt: the key is not that of the certificate/);
    await rm(files.keyFile);
    expect(await refusalOf(loadMachine(files))).toMatch(/^KeyMalformed/);
    await writeFile(files.certificateFile, 'nothing');
    expect(await refusalOf(loadMachine(files))).toMatch(/^KeyMalformed: .*there must be a certificate in the file/);
  });
});

describe('the authority', () => {
  const file = () => join(stage.directory, 'authority', 'authority.json');

  test('is founded once, also by several at the same time', async () => {
    const directory = join(stage.directory, 'another');
    const opened = await Promise.all(Array.from({ length: 8 }, () => openAuthority({ directory, cluster: 'local', clock })));
    const roots = await Promise.all(opened.map((each) => each.trusted()));
    expect(new Set(roots.map((each) => JSON.stringify(each))).size).toBe(1);
  });

  test('does not open a file that others may read, of another cluster, or of no authority', async () => {
    const open = (cluster = 'local') => openAuthority({ directory: join(stage.directory, 'authority'), cluster, clock });
    expect(await refusalOf(open('other'))).toMatch(/^KeyMalformed: .*is the authority of local, not of other/);
    await chmod(file(), 0o640);
    expect(await refusalOf(open())).toMatch(/^KeyUnsafe/);
    await chmod(file(), 0o600);
    await writeFile(file(), '{}');
    expect(await refusalOf(open())).toMatch(/^KeyMalformed/);
    expect(await refusalOf(openAuthority({ directory: join(stage.directory, 'new'), cluster: 'Not.One' }))).toMatch(/^CertificateRefused/);
  });

  test('announces its next root by itself, hands over, and throws the old key away', async () => {
    const keep = () => keepOnce({ authority: stage.authority, store: stage.store, clock, log: silentLogger });
    const keys = async () => JSON.parse(await readFile(file(), 'utf8')).roots.map(({ key }: { key?: string }) => key !== undefined);
    await keep();
    expect(await keys()).toEqual([true]);
    clock.advance(ROOT_LIFE_MS / 2);
    await keep();
    expect(await keys()).toEqual([true, true]);
    await keep();
    expect(await refusalOf(stage.authority.rotate())).toMatch(/^CertificateRefused: .*announced already/);
    const before = (await stage.authority.signing()).certificate;
    clock.advance(26 * HOUR_MS);
    await keep();
    expect((await stage.authority.signing()).certificate).not.toBe(before);
    expect(await keys()).toEqual([false, true]);
    clock.advance(26 * HOUR_MS);
    await keep();
    expect(await keys()).toEqual([true]);
    await stage.joined('node-1');
  });

  test('a token made before a hand-over lets a machine in after it', async () => {
    await stage.authority.rotate();
    clock.advance(24.5 * HOUR_MS);
    const token = await stage.token({ ttlMs: 2 * HOUR_MS });
    clock.advance(HOUR_MS);
    const [, second] = (await stage.authority.trusted()).map(({ certificate }) => certificate);
    expect((await stage.authority.signing()).certificate).toBe(second);
    await stage.joined('node-1', { token });
  });
});
