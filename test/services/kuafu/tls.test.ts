import { once } from 'node:events';
import { type ConnectionOptions, connect } from 'node:tls';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { createKuafuClient, useMachineTls } from '../../../services/kuafu/client.ts';
import { serve } from '../../../services/kuafu/server.ts';
import type { Channel } from '../../../services/kuafu/transport.ts';
import { tlsTransport } from '../../../services/kuafu/transports/tls.ts';
import { TestAuthority, TestMaterial } from './certificates.ts';
import { EchoHandlers, echoService } from './echo.ts';
import { describeTransport } from './transport.suite.ts';

const authority = new TestAuthority();
const good = (): TestMaterial => new TestMaterial(authority.cert, authority.issue());
const cleanups: (() => unknown)[] = [];
afterAll(() => authority.close());
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

describeTransport('tls', () => 'tls://127.0.0.1:0', good());

/** A server, and what its log says of peers it turned away. */
async function startServer(tls: TestMaterial, host = '127.0.0.1') {
  const refusals: string[] = [];
  const onRefusal: (() => void)[] = [];
  const warn = ({ reason, problem }: { reason?: string; problem?: string }): void => {
    refusals.push(reason ?? problem ?? '');
    for (const listener of onRefusal.splice(0)) listener();
  };
  const log = { info() {}, debug() {}, warn, error() {} } as never;
  const server = await serve({
    guard: 'none',
    address: `tls://${host}:0`,
    implementations: [new EchoHandlers().implementation()],
    tls,
    log,
  });
  cleanups.push(() => server.close({ graceMs: 0 }));
  const untilRefused = async (): Promise<string> => {
    while (refusals.length === 0) await new Promise<void>((resolve) => onRefusal.push(resolve));
    return refusals[0]!;
  };
  return { server, untilRefused };
}

function echoOf(address: string, tls: TestMaterial | undefined) {
  const client = createKuafuClient({ tls });
  cleanups.push(() => client.close());
  return client.service(echoService, address);
}

describe('a certificate that is no good is refused, and both ends say why', () => {
  test('a caller without one', async () => {
    const { server, untilRefused } = await startServer(good());
    const echo = echoOf(server.address, new TestMaterial(authority.cert, {}));
    await expect(echo.whoOnce({})).rejects.toMatchObject({
      code: 'Unavailable',
      reason: expect.stringMatching(/your certificate is missing/),
    });
    expect(await untilRefused()).toMatch(/certificate is missing/);
  });

  test('a caller whose one has expired', async () => {
    const { server, untilRefused } = await startServer(good());
    const echo = echoOf(server.address, new TestMaterial(authority.cert, authority.issue('IP:127.0.0.1', -1)));
    await expect(echo.whoOnce({})).rejects.toMatchObject({ reason: expect.stringMatching(/your certificate has expired/) });
    expect(await untilRefused()).toMatch(/has expired/);
  });

  test('a caller with one of another authority', async () => {
    const other = new TestAuthority();
    cleanups.push(() => other.close());
    const { server, untilRefused } = await startServer(good());
    const echo = echoOf(server.address, new TestMaterial(authority.cert, other.issue()));
    await expect(echo.whoOnce({})).rejects.toMatchObject({ reason: expect.stringMatching(/your certificate is of another authority/) });
    expect(await untilRefused()).toMatch(/another authority/);
  });

  test('a server with one of another authority', async () => {
    const other = new TestAuthority();
    cleanups.push(() => other.close());
    const { server, untilRefused } = await startServer(new TestMaterial(authority.cert, other.issue()));
    await expect(echoOf(server.address, good()).whoOnce({})).rejects.toMatchObject({
      reason: expect.stringMatching(/the peer's certificate is of another authority/),
    });
    expect(await untilRefused()).toMatch(/refused by the peer: your certificate is of another authority/);
  });

  test('a server whose one has expired', async () => {
    const { server, untilRefused } = await startServer(new TestMaterial(authority.cert, authority.issue('IP:127.0.0.1', -1)));
    await expect(echoOf(server.address, good()).whoOnce({})).rejects.toMatchObject({
      reason: expect.stringMatching(/the peer's certificate has expired/),
    });
    expect(await untilRefused()).toMatch(/your certificate has expired/);
  });

  test('a server with the name of somebody else', async () => {
    const { server, untilRefused } = await startServer(new TestMaterial(authority.cert, authority.issue('DNS:elsewhere.example')));
    await expect(echoOf(server.address, good()).whoOnce({})).rejects.toMatchObject({
      reason: expect.stringMatching(/carries other names/),
    });
    expect(await untilRefused()).toMatch(/carries other names/);
  });

  test('a client without any material', async () => {
    useMachineTls(undefined);
    const { server } = await startServer(good());
    await expect(echoOf(server.address, undefined).whoOnce({})).rejects.toMatchObject({
      reason: expect.stringMatching(/needs certificates/),
    });
  });
});

test('TLS 1.2 is not spoken', async () => {
  const { server, untilRefused } = await startServer(good());
  const { key, cert } = authority.issue();
  const options: ConnectionOptions = { host: '127.0.0.1', port: Number(new URL(server.address).port), key, cert, ca: authority.cert };
  const socket = connect({ ...options, maxVersion: 'TLSv1.2' });
  const [error] = await once(socket, 'error');
  expect(String(error)).toMatch(/protocol version/);
  expect(await untilRefused()).toMatch(/unsupported protocol/i);
});

test('renewed certificates are shown to new connections, and those that are open go on', async () => {
  const material = good();
  const { server } = await startServer(material);
  const seen = async (): Promise<string> => {
    const { key, cert } = authority.issue();
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(server.address).port), key, cert, ca: authority.cert });
    await once(socket, 'secureConnect');
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  };
  const echo = echoOf(server.address, good());
  expect(await echo.whoOnce({})).toEqual({ who: 'echo' });
  const before = await seen();
  material.renew(authority.issue());
  expect(await seen()).not.toBe(before);
  expect(await echo.whoOnce({})).toEqual({ who: 'echo' });
  await server.close();
  expect(material.listeners).toBe(0);
});

test('both ends of a connection, and nobody else, know its binding', async () => {
  const transport = tlsTransport(good());
  const accepted: Channel[] = [];
  let onAccepted: () => void = () => {};
  const listener = await transport.listen('tls://127.0.0.1:0', (channel) => {
    channel.start({ frame() {}, violated() {}, closed() {} });
    accepted.push(channel);
    onAccepted();
  });
  cleanups.push(() => listener.close());
  const bindings = new Set<string>();
  for (let i = 0; i < 2; i++) {
    const wasAccepted = new Promise<void>((resolve) => {
      onAccepted = resolve;
    });
    const near = await transport.connect(listener.address, new AbortController().signal);
    cleanups.push(() => near.close('done'));
    near.start({ frame() {}, violated() {}, closed() {} });
    await wasAccepted;
    expect(near.binding).toHaveLength(32);
    expect(Buffer.from(near.binding!).equals(accepted[i]!.binding!)).toBe(true);
    bindings.add(Buffer.from(near.binding!).toString('hex'));
  }
  expect(bindings.size).toBe(2);
});
