import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createKuafuClient } from '../../../../services/kuafu/client.ts';
import type { KuafuClient, KuafuServer } from '../../../../services/kuafu/contract.ts';
import { byHost } from '../../../../services/kuafu/core/proxy-route.ts';
import type { Identity } from '../../../../services/kuafu/guard-contract.ts';
import { startProxy } from '../../../../services/kuafu/proxy/proxy.ts';
import { implement, serve } from '../../../../services/kuafu/server.ts';
import type { TlsMaterial } from '../../../../services/kuafu/tls-contract.ts';
import { TestAuthority, TestMaterial } from '../certificates.ts';
import { TestGuard, TestIdentity } from '../guard-under-test.ts';
import { guardedService } from '../guarded.ts';

/** Proxies of two machines that speak TLS to each other and ask each other who they are, and a server behind the far one that asks its callers. */
const HERE = '127.0.1.11';
const THERE = '127.0.1.12';
const CLUSTER = 'local';
const authority = new TestAuthority();
const stranger = new TestAuthority();
const here = new TestMaterial(authority.cert, authority.issue(`IP:${HERE}`));
const there = new TestMaterial(authority.cert, authority.issue(`IP:${THERE}`));
const directory = mkdtempSync(join(tmpdir(), 'kuafu-proxy-'));
const guard = new TestGuard();
const cleanups: (() => unknown)[] = [];
let server: KuafuServer;
let secureServer: KuafuServer;
/** What the far proxy's guard says. */
let ofProxies: TestGuard;
let far: Awaited<ReturnType<typeof startProxy>>;
let started = 0;

beforeAll(async () => {
  const who = async (_: unknown, { caller }: { caller: { name: string } }) => ({ who: caller.name });
  const never = async (): Promise<never> => {
    throw new Error('not called here');
  };
  const handlers = { open: who, me: who, read: who, closer: who, wait: never, forward: never, broken: never, unsaid: never };
  const options = { guard, cluster: CLUSTER, implementations: [implement(guardedService, handlers)] };
  server = await serve({ ...options, address: `tcp://${THERE}:0` });
  secureServer = await serve({ ...options, address: `tls://${THERE}:0`, tls: there });
});
afterAll(async () => {
  await server.close({ graceMs: 0 });
  await secureServer.close({ graceMs: 0 });
  authority.close();
  stranger.close();
  rmSync(directory, { recursive: true });
});

beforeEach(async () => {
  ofProxies = new TestGuard();
  far = await start(THERE, { tls: there, guard: ofProxies });
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(
  host: string,
  { tls, guard, identity, local = pathOf() }: { tls: TlsMaterial; guard: TestGuard; identity?: Identity; local?: string },
): ReturnType<typeof startProxy> {
  const others = byHost(host === HERE ? [{ machine: 'there', address: far.address, hosts: [THERE] }] : []);
  const proxy = await startProxy({
    local,
    listen: `tls://${host}:0`,
    hosts: [host],
    others: () => others,
    guard,
    cluster: CLUSTER,
    tls,
    identity,
  });
  cleanups.push(() => proxy.stop({ graceMs: 0 }));
  return proxy;
}

const pathOf = (): string => `unix://${join(directory, `${started++}.sock`)}`;

/** Through a proxy here that is somebody to the one there, or not. */
async function clientThrough(identity: Identity | undefined, tls: TlsMaterial = here): Promise<KuafuClient> {
  const proxy = pathOf();
  await start(HERE, { tls, guard: new TestGuard(), identity, local: proxy });
  const client = createKuafuClient({ proxy, tls: here });
  cleanups.push(() => client.close());
  return client;
}

const peer = (): TestIdentity => new TestIdentity('service/kuafu-proxy', `peer kuafu://${CLUSTER}/`);
const alice = (): TestIdentity => new TestIdentity('user/alice', `read pangu://${CLUSTER}/books/`);

test.each(['tcp', 'tls'] as const)('who called is known at the far end, and what is not allowed is refused there (%s)', async (scheme) => {
  const { address } = scheme === 'tcp' ? server : secureServer;
  const client = await clientThrough(peer());
  const guarded = client.as(alice()).service(guardedService, address);
  expect(await guarded.me({})).toEqual({ who: 'user/alice' });
  expect(await guarded.read({ names: ['books/1'] })).toEqual({ who: 'user/alice' });
  await expect(guarded.read({ names: ['letters/1'] })).rejects.toMatchObject({ code: 'PermissionDenied' });
  const bob = client.as(new TestIdentity('user/bob', `read pangu://${CLUSTER}/letters/`)).service(guardedService, address);
  expect(await bob.read({ names: ['letters/1'] })).toEqual({ who: 'user/bob' });
  await expect(client.service(guardedService, address).me({})).rejects.toMatchObject({ code: 'Unauthenticated' });
  const forger = client.as(new TestIdentity('forged/alice')).service(guardedService, address);
  await expect(forger.me({})).rejects.toMatchObject({ code: 'Unauthenticated', details: { cause: 'TokenForged' } });
  // It went through both, as one channel of one proxy, and the proxy's own rights were nobody else's.
  expect(ofProxies.log).toEqual([`allowed service/kuafu-proxy kuafu-proxy.open peer kuafu://${CLUSTER}/`]);
  expect(far.channels).toBe(1);
});

test.each([
  [
    'that may not, and its processes are called directly',
    () => clientThrough(new TestIdentity('service/other')),
    ['refused service/other kuafu-proxy.open peer kuafu://local/'],
  ],
  ['that is nobody', () => clientThrough(undefined), ['refused nobody kuafu-proxy.open peer']],
  [
    'whose certificate is of another authority',
    () => clientThrough(peer(), new TestMaterial(authority.cert, stranger.issue(`IP:${HERE}`))),
    [],
  ],
])('the far proxy opens nothing for one %s', async (_, connect, told) => {
  const guarded = (await connect()).as(alice()).service(guardedService, secureServer.address);
  expect(await guarded.me({})).toEqual({ who: 'user/alice' });
  await expect(guarded.read({ names: ['letters/1'] })).rejects.toMatchObject({ code: 'PermissionDenied' });
  expect(far.channels).toBe(0);
  expect(ofProxies.log).toEqual(told);
});
