import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineService, method } from '../../../services/kuafu/contract.ts';
import { implement, serve } from '../../../services/kuafu/server.ts';
import { joinCluster, nuwaResolver } from '../../../services/nuwa/client.ts';
import { type NuwaClient, NuwaError, type NuwaSession } from '../../../services/nuwa/contract.ts';
import { bytes } from './core/tree/script.ts';
import { Harness, takeUntil, text } from './harness.ts';

const PATH = '/services/demo/one';
const at = (port: number): { address: string } => ({ address: `tcp://127.0.0.1:${port}` });

let harness: Harness;
let address: string;
let nuwa: NuwaClient;

beforeEach(async () => {
  harness = new Harness();
  ({ address } = await harness.server());
  nuwa = await harness.client(address);
});
afterEach(() => harness.close());

/** Waits until the node of the instance says this port. */
async function awaitPort(port: number): Promise<void> {
  await takeUntil(nuwa.watch(PATH, { afterRevision: 0 }), ({ value }) => value !== undefined && text(value).includes(`:${port}"`));
}

const portNow = async (): Promise<string> => JSON.parse(text((await nuwa.get(PATH)).value)).address;

function nextState(client: NuwaClient, wanted: NuwaSession['state']): Promise<void> {
  return new Promise((resolve) => {
    const stop = client.session.onState((state) => {
      if (state !== wanted) return;
      stop();
      resolve();
    });
  });
}

describe('a registration', () => {
  it('stands in the tree, changes with the service, and goes with it', async () => {
    const client = await harness.client(address, { creator: 'demo' });
    const registration = await client.register('demo', 'one', { ...at(1), node: 'node-1', attributes: { freeBytes: 7 } });
    expect(registration.path).toBe(PATH);
    const node = await nuwa.get(PATH);
    expect(node).toMatchObject({ creator: 'demo', ephemeralOwner: client.session.id });
    expect(JSON.parse(text(node.value))).toEqual({ ...at(1), node: 'node-1', attributes: { freeBytes: 7 } });
    await registration.update(at(2));
    expect(await portNow()).toBe(at(2).address);
    await registration.unregister();
    await expect(nuwa.get(PATH)).rejects.toMatchObject({ code: 'NoNode' });
    expect(client.session.state).toBe('live');
  });

  it('is taken over at once by a later process of the same name, and comes back when that one goes', async () => {
    const older = await harness.client(address, { creator: 'older' });
    const newer = await harness.client(address, { creator: 'newer' });
    const olderRegistration = await older.register('demo', 'one', at(1));
    await newer.register('demo', 'one', at(2));
    expect(await nuwa.get(PATH)).toMatchObject({ creator: 'newer' });
    // The older one does not touch what is not its own.
    await olderRegistration.update(at(3));
    expect(await portNow()).toBe(at(2).address);
    await newer.close();
    await awaitPort(3);
    expect(await nuwa.get(PATH)).toMatchObject({ creator: 'older' });
  });

  it('that was superseded leaves the successor alone when it unregisters', async () => {
    const older = await harness.client(address);
    const newer = await harness.client(address);
    const registration = await older.register('demo', 'one', at(1));
    await newer.register('demo', 'one', at(2));
    await registration.unregister();
    await older.close();
    expect(await portNow()).toBe(at(2).address);
  });

  it('does not replace a node that belongs to nobody', async () => {
    await nuwa.create(PATH, bytes('made by hand'), { parents: true });
    await expect(nuwa.register('demo', 'one', at(1))).rejects.toMatchObject({ code: 'NodeExists' });
  });

  it('is made again under a new session when the old one expired; the expired session stays expired', async () => {
    const client = await harness.client(address, { ttlMs: 300 });
    const old = client.session.id;
    await client.register('demo', 'one', at(1));
    await client.create('/lock', bytes(''), { ephemeral: true });
    const expired = nextState(client, 'expired');
    const { revision } = await nuwa.list('/');
    await harness.rpc(address).closeSession({ session: old });
    await takeUntil(nuwa.watch(PATH, { afterRevision: revision }), ({ kind }) => kind === 'created');
    await expired;
    const node = await nuwa.get(PATH);
    expect(node.ephemeralOwner).not.toBe(old);
    await expect(nuwa.get('/lock')).rejects.toMatchObject({ code: 'NoNode' });
    expect([client.session.id, client.session.state]).toEqual([old, 'expired']);
    await expect(client.create('/lock', bytes(''), { ephemeral: true })).rejects.toMatchObject({ code: 'NoSession' });
    // What nobody can own goes on, under the new session.
    await client.create('/plain', bytes(''));
    await client.close();
    await expect(nuwa.get(PATH)).rejects.toMatchObject({ code: 'NoNode' });
  });

  it('comes back when somebody deletes it', async () => {
    await nuwa.register('demo', 'one', at(1));
    const { revision } = await nuwa.delete(PATH);
    await takeUntil(nuwa.watch(PATH, { afterRevision: revision }), ({ kind }) => kind === 'created');
  });
});

describe('the resolver', () => {
  it('gives the addresses of a service or of one instance, and follows changes', async () => {
    const resolver = nuwaResolver(nuwa);
    const two = await harness.client(address);
    await nuwa.register('demo', 'one', at(1));
    await two.register('demo', 'two', at(2));
    expect((await resolver.resolve('nuwa://test/demo/')).sort()).toEqual([at(1).address, at(2).address]);
    expect(await resolver.resolve('nuwa://test/demo/two')).toEqual([at(2).address]);
    const { revision } = await nuwa.list('/');
    await two.close();
    await takeUntil(nuwa.watch('/services/demo/two', { afterRevision: revision }), ({ kind }) => kind === 'deleted');
    await expect.poll(() => resolver.resolve('nuwa://test/demo/')).toEqual([at(1).address]);
  });

  it('waits for an instance that is about to register, even when the service was never there', async () => {
    const resolver = nuwaResolver(nuwa);
    const some = resolver.resolve('nuwa://test/demo/');
    const one = resolver.resolve('nuwa://test/demo/one');
    await nuwa.list('/');
    const client = await harness.client(address);
    await client.register('demo', 'one', at(1));
    expect([await some, await one]).toEqual([[at(1).address], [at(1).address]]);
  });

  it('passes over an instance whose address is none, whoever wrote it, and takes it when it says one', async () => {
    const resolver = nuwaResolver(nuwa);
    await nuwa.register('demo', 'one', at(1));
    await nuwa.create('/services/demo/junk', bytes('{"address":"garbage"}'));
    await nuwa.create('/services/demo/name', bytes('{"address":"nuwa://test/demo/"}'));
    expect(await resolver.resolve('nuwa://test/demo/')).toEqual([at(1).address]);
    await nuwa.set('/services/demo/junk', bytes(JSON.stringify(at(2))));
    await expect.poll(async () => (await resolver.resolve('nuwa://test/demo/')).sort()).toEqual([at(1).address, at(2).address]);
  });

  it('stops waiting when its caller gives up', async () => {
    const resolver = nuwaResolver(nuwa);
    expect(await resolver.resolve('nuwa://test/nobody/', AbortSignal.timeout(50))).toEqual([]);
  });

  it('keeps an instance that was suspected without reason', async () => {
    const resolver = nuwaResolver(nuwa);
    await nuwa.register('demo', 'one', at(1));
    await resolver.resolve('nuwa://test/demo/');
    resolver.suspect('nuwa://test/demo/', at(1).address);
    expect(await resolver.resolve('nuwa://test/demo/')).toEqual([at(1).address]);
  });

  it('passes over nodes that describe no service', async () => {
    const resolver = nuwaResolver(nuwa);
    await nuwa.create('/services/demo/odd', bytes('{'), { parents: true });
    await nuwa.register('demo', 'one', at(1));
    expect(await resolver.resolve('nuwa://test/demo/')).toEqual([at(1).address]);
  });

  it.each(['tcp://127.0.0.1:1', 'nuwa://test', 'nuwa://test/demo/one/more', 'nuwa://elsewhere/demo/'])('refuses %s', async (wrong) => {
    await expect(nuwaResolver(nuwa, { cluster: 'test' }).resolve(wrong)).rejects.toMatchObject({ code: 'InvalidRequest' });
  });
});

describe('a member of the cluster', () => {
  const who = defineService('who', {
    errors: NuwaError,
    methods: { name: method({ request: z.object({}), response: z.object({ name: z.string() }), idempotent: true }) },
  });

  /** A member that serves `who`, and answers with its name. */
  async function member(name: string) {
    const server = await serve({
      guard: 'none',
      address: 'tcp://127.0.0.1:0',
      implementations: [implement(who, { name: async () => ({ name }) })],
    });
    harness.onClose(() => server.close());
    const { nuwa } = await join(name);
    await nuwa.register('who', 'one', { address: server.address });
    return server;
  }

  async function join(creator: string) {
    const joined = await joinCluster({ cluster: 'test', nuwa: [address.replace('tcp://', '')], creator });
    harness.onClose(() => joined.leave());
    return joined;
  }

  it('calls a service by its name, also after another process took it over at another port', async () => {
    const { kuafu } = await join('caller');
    const any = kuafu.service(who, 'nuwa://test/who/');
    const one = kuafu.service(who, 'nuwa://test/who/one');
    const [early, first] = [any.name({}), await member('first')];
    expect(await early).toEqual({ name: 'first' });
    await first.close();
    await member('second');
    expect([await any.name({}), await one.name({})]).toEqual([{ name: 'second' }, { name: 'second' }]);
  });
});
