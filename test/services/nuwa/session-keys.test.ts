import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { silentLogger } from '../../../services/base/log.ts';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import type { Guard } from '../../../services/kuafu/guard-contract.ts';
import type { NuwaRpc } from '../../../services/nuwa/client/rpc.ts';
import { nuwaService } from '../../../services/nuwa/contract.ts';
import { startNuwa } from '../../../services/nuwa/server.ts';
import { TestGuard, TestIdentity } from '../kuafu/guard-under-test.ts';
import { Harness, type NuwaServer } from './harness.ts';
import { ZkClient } from './zookeeper/zk-client.ts';

let harness = new Harness();
afterEach(async () => {
  await harness.close();
  harness = new Harness();
});

async function started(guard?: Guard): Promise<NuwaServer> {
  const config = {
    cluster: 'test',
    dataDir: join(harness.dir, 'data'),
    listen: 'tcp://127.0.0.1:0',
    nuwaServer: { id: 'nuwa-1', members: [], zookeeper: '127.0.0.1:0' },
    ...(guard ? { guard } : {}),
  };
  const server = await startNuwa(
    { ...config, nuwaServer: { ...config.nuwaServer, members: [{ id: 'nuwa-1', address: config.listen }] } },
    { log: silentLogger },
  );
  harness.onClose(() => server.stop());
  return server;
}

/** Somebody who may do everything in the tree. */
function asSomebody({ address }: NuwaServer, name: string): NuwaRpc {
  const kuafu = createKuafuClient({ identity: new TestIdentity(name, 'read nuwa://test/', 'write nuwa://test/') });
  harness.onClose(() => kuafu.close());
  return kuafu.service(nuwaService, address);
}

const SESSION = { session: 'of-alice', ttlMs: 60_000, creator: 'test' };
const create = (path: string, session: string, request = 1) => ({
  session,
  request,
  settled: 0,
  path,
  value: new Uint8Array(),
  ephemeral: true,
});
const NO_SESSION = { code: 'NoSession' };

async function expectNotBobs(bob: NuwaRpc): Promise<void> {
  await expect(bob.keepAlive({ session: SESSION.session })).rejects.toMatchObject(NO_SESSION);
  await expect(bob.closeSession({ session: SESSION.session })).rejects.toMatchObject(NO_SESSION);
  await expect(bob.openSession(SESSION)).rejects.toMatchObject(NO_SESSION);
  await expect(bob.create(create('/b', SESSION.session, 9))).rejects.toMatchObject(NO_SESSION);
  await expect(bob.set({ ...create('/a', SESSION.session, 10), path: '/a' })).rejects.toMatchObject(NO_SESSION);
  await expect(bob.delete({ session: SESSION.session, request: 11, settled: 0, path: '/a' })).rejects.toMatchObject(NO_SESSION);
  const operations = [{ kind: 'delete' as const, path: '/a' }];
  await expect(bob.transact({ session: SESSION.session, request: 12, settled: 0, operations })).rejects.toMatchObject(NO_SESSION);
}

test('nobody but the key that opened a session keeps it alive, ends it or changes anything in its name, also after a restart', async () => {
  const guard = new TestGuard();
  let server = await started(guard);
  let alice = asSomebody(server, 'alice');
  await alice.openSession(SESSION);
  await alice.openSession(SESSION);
  await alice.create(create('/a', SESSION.session));
  await expectNotBobs(asSomebody(server, 'bob'));
  await alice.keepAlive({ session: SESSION.session });

  // Out of the log, and out of a snapshot.
  for (const fresh of [false, true]) {
    if (fresh) await server.group.snapshots.make();
    await server.stop();
    server = await started(guard);
    alice = asSomebody(server, 'alice');
    await expectNotBobs(asSomebody(server, 'bob'));
    await alice.keepAlive({ session: SESSION.session });
  }
  const bob = asSomebody(server, 'bob');
  expect((await bob.get({ path: '/a' })).node.ephemeralOwner).toBe(SESSION.session);
  await alice.closeSession({ session: SESSION.session });
  await expect(bob.get({ path: '/a' })).rejects.toMatchObject({ code: 'NoNode' });
  // What is gone is gone, for whoever asks.
  await bob.closeSession({ session: SESSION.session });
});

test('a session that is older than the asking stays usable', async () => {
  let server = await started();
  const before = createKuafuClient();
  harness.onClose(() => before.close());
  await before.service(nuwaService, server.address).openSession(SESSION);
  await server.stop();
  server = await started(new TestGuard());
  const alice = asSomebody(server, 'alice');
  await alice.keepAlive({ session: SESSION.session });
  await alice.create(create('/a', SESSION.session));
});

test("a session that came through the ZooKeeper door is nobody's at the other", async () => {
  const server = await started(new TestGuard());
  const alice = asSomebody(server, 'alice');
  const { zookeeper } = await alice.status({});
  const zk = new ZkClient(zookeeper!);
  harness.onClose(() => zk.end());
  expect(await zk.connect()).toBe(true);
  const [session] = [...server.group.state.sessions.keys()];
  await expect(alice.closeSession({ session: session! })).rejects.toMatchObject(NO_SESSION);
  await expect(alice.keepAlive({ session: session! })).rejects.toMatchObject(NO_SESSION);
  expect((await zk.create('/mine', 'x')).error).toBe(0);
});
