import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import * as tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../../../../services/base/clock.ts';
import { renewMachine } from '../../../../services/zhongkui/certificates/join-machine.ts';
import { type CertificateKeeper, openCertificateKeeper } from '../../../../services/zhongkui/certificates/keeper.ts';
import { loadMachine } from '../../../../services/zhongkui/certificates/machine-files.ts';
import { type AuthorityStage, stageAuthority } from './stage.ts';

let stage: AuthorityStage;
const closers: (() => unknown)[] = [];

beforeEach(async () => {
  stage = await stageAuthority();
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await stage.close();
});

async function keeperOf(
  machine: string,
  from = stage,
  options: Partial<Parameters<typeof openCertificateKeeper>[0]> = {},
): Promise<CertificateKeeper> {
  await from.joined(machine);
  const keeper = await openCertificateKeeper({ files: from.filesOf(machine), ask: from.ask, ...options });
  closers.push(() => keeper.close());
  return keeper;
}

/** Echoes what it is sent, as Kuafu's server would hold its material. */
async function echo(material: CertificateKeeper, overrides: tls.TlsOptions = {}) {
  const refused: string[] = [];
  const peers: string[] = [];
  const server = tls.createServer({ ...material.serverOptions(), ...overrides }, (socket) => {
    peers.push(socket.getPeerCertificate().subjectaltname ?? '');
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.on('tlsClientError', (error) => refused.push(error.message));
  material.onRenewed(() => server.setSecureContext(material.serverOptions()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  return { port: (server.address() as AddressInfo).port, refused, peers };
}

async function connect(port: number, options: tls.ConnectionOptions): Promise<tls.TLSSocket> {
  const socket = tls.connect({ host: '127.0.0.1', port, ...options });
  closers.push(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

async function talk(socket: tls.TLSSocket, text: string): Promise<string> {
  const over = new AbortController();
  const heard = once(socket, 'data', { signal: over.signal });
  socket.once('close', () => over.abort());
  socket.write(text);
  return String((await heard)[0]);
}

/** Whichever end refuses: with TLS 1.3 a client has finished before the server has looked at its certificate. */
async function refusal(port: number, options: tls.ConnectionOptions): Promise<string> {
  try {
    return `it was not refused: ${await talk(await connect(port, options), 'hello')}`;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ABORT_ERR' ? 'closed by the server' : `${code}`;
  }
}

const serialOf = (socket: tls.TLSSocket): string => socket.getPeerCertificate().serialNumber.toLowerCase();

describe('a renewed certificate', () => {
  test('is used by new connections at both ends, while old ones go on', async () => {
    const [server, client] = [await keeperOf('node-1'), await keeperOf('node-2')];
    const { port, peers } = await echo(server);
    const before = server.current.serial;
    const old = await connect(port, client.clientOptions('127.0.0.1'));
    expect(await talk(old, 'one')).toBe('one');
    expect(serialOf(old)).toBe(before);

    await server.renewNow();
    await client.renewNow();
    expect(server.current.serial).not.toBe(before);
    expect(await talk(old, 'two')).toBe('two');
    const fresh = await connect(port, client.clientOptions('node-1'));
    expect(await talk(fresh, 'three')).toBe('three');
    expect(serialOf(fresh)).toBe(server.current.serial);
    expect(await talk(old, 'four')).toBe('four');
    expect(old.getProtocol()).toBe('TLSv1.3');
    expect(peers).toEqual(Array(2).fill('DNS:node-2.local, IP Address:127.0.0.1'));
  });

  test('has a key of its own', async () => {
    const keeper = await keeperOf('node-1');
    const { keyPem } = keeper.current;
    await keeper.renewNow();
    expect(keeper.current.keyPem).not.toBe(keyPem);
  });

  test('is taken up by other processes of the machine', async () => {
    const first = await keeperOf('node-1');
    const second = await openCertificateKeeper({ files: stage.filesOf('node-1') });
    closers.push(() => second.close());
    const renewed = new Promise<void>((resolve) => second.onRenewed(resolve));
    await first.renewNow();
    await renewed;
    expect(second.current.serial).toBe(first.current.serial);
  });

  test('comes to all when many processes of a machine renew at once', async () => {
    await stage.joined('node-1');
    const keepers = await Promise.all(
      Array.from({ length: 6 }, () => openCertificateKeeper({ files: stage.filesOf('node-1'), ask: stage.ask })),
    );
    closers.push(...keepers.map((keeper) => () => keeper.close()));
    await Promise.all(keepers.map((keeper) => keeper.renewNow()));
    // Whatever the order in which they wrote: what is there fits, and can be renewed again.
    const found = await openCertificateKeeper({ files: stage.filesOf('node-1'), ask: stage.ask });
    closers.push(() => found.close());
    await found.renewNow();
  });
});

/** Moves on only once somebody waits for it: between that, files are read and written, which takes as long as it takes. */
class AttentiveClock extends ManualClock {
  #sleeping = 0;
  #wake: (() => void) | undefined;

  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.#sleeping++;
    this.#wake?.();
    await super.sleep(ms, signal).finally(() => this.#sleeping--);
  }

  async slept(): Promise<void> {
    // Those whom the last step has woken are not asleep any more, once they have noticed.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#sleeping > 0) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}

describe('in time', () => {
  test('it is renewed by itself at two thirds of its life, and tried again when the authority is away', async () => {
    const clock = new AttentiveClock(Date.now());
    const past = await stageAuthority({ clock });
    closers.push(() => past.close());
    const askedAtMs: number[] = [];
    const ask: Pick<AuthorityStage['ask'], 'renew'> = {
      async renew(request) {
        askedAtMs.push(clock.nowMs());
        if (askedAtMs.length <= 3) throw new Error('the authority is away');
        return await past.ask.renew(request);
      },
    };
    const keeper = await keeperOf('node-1', past, { clock, ask, random: { next: () => 0, int: () => 0 } });
    const { serial, notBeforeMs, notAfterMs } = keeper.current;
    const dueMs = notBeforeMs + ((notAfterMs - notBeforeMs) * 2) / 3;
    let renewed = false;
    keeper.onRenewed(() => {
      renewed = true;
    });
    clock.advance(dueMs - clock.nowMs() - 60_000);
    for (let steps = 0; !renewed && steps < 1_000; steps++) {
      await clock.slept();
      clock.advance(10_000);
    }
    expect(keeper.current.serial).not.toBe(serial);
    expect(askedAtMs).toHaveLength(4);
    expect(askedAtMs[0]).toBeGreaterThanOrEqual(dueMs);
    expect(askedAtMs[0]).toBeLessThan(dueMs + 60_000);
    for (const [i, atMs] of askedAtMs.entries()) if (i > 0) expect(atMs - askedAtMs[i - 1]!).toBeGreaterThanOrEqual(500_000);
    expect(askedAtMs[3]).toBeLessThan(notAfterMs);
  });
});

describe('is refused', () => {
  test('a client without a certificate', async () => {
    const server = await keeperOf('node-1');
    const { port, refused } = await echo(server);
    const ca = [...server.current.roots];
    expect(await refusal(port, { ca, servername: 'node-1.local' })).toBe('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED');
    expect(refused[0]).toMatch(/peer did not return a certificate/);
  });

  test('a client of another cluster, and a server of another cluster', async () => {
    const other = await stageAuthority();
    const [server, client, foreign] = [await keeperOf('node-1'), await keeperOf('node-2'), await keeperOf('node-2', other)];
    const ours = await echo(server);
    const foreignClient = { ...foreign.clientOptions('node-1'), rejectUnauthorized: false };
    expect(await refusal(ours.port, foreignClient)).toMatch(/^(closed by the server|ECONNRESET|EPIPE)$/);
    expect(ours.peers).toEqual([]);
    const theirs = await echo(foreign);
    expect(await refusal(theirs.port, client.clientOptions('127.0.0.1'))).toMatch(
      /UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT_LOCALLY|SELF_SIGNED/,
    );
    await other.close();
  });

  test('a server under another machine’s name or address', async () => {
    const [server, client] = [await keeperOf('node-1'), await keeperOf('node-2')];
    const { port } = await echo(server);
    for (const host of ['node-3', 'node-1.other', 'local', '127.0.0.2', '::1'])
      expect(await refusal(port, client.clientOptions(host)), host).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(await refusal(port, client.clientOptions('node-1'))).toBe('it was not refused: hello');
    expect(await refusal(port, client.clientOptions('node-1.local'))).toBe('it was not refused: hello');
  });

  test('an expired certificate, at either end', async () => {
    const clock = new ManualClock(Date.now() - 25 * 3_600_000);
    const before = await stageAuthority({ clock });
    const expired = await keeperOf('node-1', before, { clock, ask: { renew: () => Promise.reject(new Error('away')) } });
    clock.advance(2 * 3_600_000);
    const valid = await keeperOf('node-2', before, { clock, ask: { renew: () => Promise.reject(new Error('away')) } });
    const server = await echo(expired);
    expect(await refusal(server.port, valid.clientOptions('node-1'))).toBe('CERT_HAS_EXPIRED');
    const another = await echo(valid);
    expect(await refusal(another.port, expired.clientOptions('node-2'))).toMatch(/^(closed by the server|ECONNRESET|EPIPE)$/);
    expect(another.peers).toEqual([]);
    await before.close();
  });

  test('TLS 1.2, at either end', async () => {
    const [server, client] = [await keeperOf('node-1'), await keeperOf('node-2')];
    const { port, refused } = await echo(server);
    const { certificate: cert, keyPem: key, roots } = client.current;
    expect(
      await refusal(port, { cert, key, ca: [...roots], servername: 'node-1.local', maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' }),
    ).toMatch(/PROTOCOL_VERSION/);
    expect(refused[0]).toMatch(/unsupported protocol/);
    const old = await echo(server, { maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' });
    expect(await refusal(old.port, client.clientOptions('node-1'))).toMatch(/PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/);
  });

  test('a session that was resumed, which would not show a certificate', async () => {
    const [server, client] = [await keeperOf('node-1'), await keeperOf('node-2')];
    const { port } = await echo(server);
    const sessions: Buffer[] = [];
    const first = await connect(port, client.clientOptions('node-1'));
    first.on('session', (session: Buffer) => sessions.push(session));
    await talk(first, 'hello');
    const second = await connect(port, { ...client.clientOptions('node-1'), ...(sessions[0] ? { session: sessions[0] } : {}) });
    expect(second.isSessionReused()).toBe(false);
  });
});

describe('an exchange of the authority’s key', () => {
  test('is noticed by nobody: machines of either root speak with each other', async () => {
    const clock = new ManualClock(Date.now() - 26 * 3_600_000);
    const past = await stageAuthority({ clock });
    await past.joined('node-1');
    const files = past.filesOf('node-1');
    const renew = async () => renewMachine(files, await loadMachine(files), past.ask, () => clock.nowMs());
    await past.authority.rotate();
    clock.advance(16 * 3_600_000);
    expect((await renew()).roots).toHaveLength(2); // it hears of the next root
    clock.advance(8 * 3_600_000);
    await renew(); // for the last time by the old one
    clock.advance(1 * 3_600_000 + 60_000); // the next root signs
    const first = await openCertificateKeeper({ files, clock });
    closers.push(() => first.close());
    const second = await keeperOf('node-2', past, { clock });
    const by = (keeper: CertificateKeeper) => new X509Certificate(keeper.current.certificate).issuer;
    expect(by(first)).not.toBe(by(second));
    const server = await echo(first);
    expect(await talk(await connect(server.port, second.clientOptions('node-1')), 'hello')).toBe('hello');
    const other = await echo(second);
    expect(await talk(await connect(other.port, first.clientOptions('node-2')), 'hello')).toBe('hello');
    await past.close();
  });
});
