import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../services/base/clock.ts';
import type { NuwaClient, NuwaSession } from '../../../services/nuwa/contract.ts';
import { bytes } from './core/tree/script.ts';
import { Harness, type Process, takeUntil } from './harness.ts';

let harness: Harness;

beforeEach(() => {
  harness = new Harness();
});
afterEach(() => harness.close());

/** A server process; `restart` kills it with SIGKILL and starts it on the same port and directory. */
async function serverProcess(): Promise<{ address: string; kill(): Promise<void>; restart(): Promise<void> }> {
  const dataDir = join(harness.dir, 'data');
  let process: Process = harness.process('run-nuwa.ts', dataDir, 'tcp://127.0.0.1:0');
  const address = await process.line();
  return {
    address,
    kill: () => process.kill(),
    async restart() {
      await process.kill();
      process = harness.process('run-nuwa.ts', dataDir, address);
      expect(await process.line()).toBe(address);
    },
  };
}

function record(client: NuwaClient): NuwaSession['state'][] {
  const states: NuwaSession['state'][] = [];
  client.session.onState((state) => states.push(state));
  return states;
}

function becomes(client: NuwaClient, wanted: NuwaSession['state']): Promise<void> {
  return new Promise((resolve) => client.session.onState((state) => state === wanted && resolve()));
}

/** Starting a process takes a second, and several on a busy machine. */
const SLOW = { timeout: 60_000 };

describe('a server that is killed and started again', SLOW, () => {
  it('lost nothing that was acknowledged, kept the sessions, and watchers miss nothing and see nothing twice', async () => {
    const server = await serverProcess();
    const nuwa = await harness.client(server.address, { ttlMs: 2_000 });
    const watcher = await harness.client(server.address, { ttlMs: 2_000 });
    const states = record(nuwa);
    await nuwa.create('/alive', bytes(''), { ephemeral: true });
    await nuwa.create('/w', bytes(''));

    const acknowledged = new Map<string, number>();
    let writing = true;
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let i = 0; writing; i++) {
        const path = `/w/${writer}-${i}`;
        const { revision } = await nuwa.create(path, bytes(`${writer}-${i}`));
        acknowledged.set(path, revision);
      }
    });
    const seen = takeUntil(watcher.watch('/', { recursive: true, afterRevision: 0 }), ({ path }) => path === '/last');
    for (let kill = 0; kill < 2; kill++) {
      const before = acknowledged.size;
      await expect.poll(() => acknowledged.size, { timeout: 30_000, interval: 5 }).toBeGreaterThan(before + 200);
      await server.restart();
    }
    writing = false;
    await Promise.all(writers);
    const last = await nuwa.create('/last', bytes(''));

    const { children } = await nuwa.list('/w');
    const made = new Map(children.map(({ path, createRevision }) => [path, createRevision]));
    expect(made).toEqual(acknowledged);
    const events = await seen;
    expect(events.map(({ revision }) => revision)).toEqual(Array.from({ length: last.revision }, (_, i) => i + 1));
    expect((await nuwa.get('/alive')).ephemeralOwner).toBe(nuwa.session.id);
    expect(nuwa.session.state).toBe('live');
    expect(states).not.toContain('expired');
  });

  it('puts its sessions in jeopardy while it is away, and back to live after', async () => {
    const server = await serverProcess();
    const nuwa = await harness.client(server.address, { ttlMs: 1_200 });
    await nuwa.create('/alive', bytes(''), { ephemeral: true });
    const jeopardy = becomes(nuwa, 'jeopardy');
    await server.kill();
    await jeopardy;
    const live = becomes(nuwa, 'live');
    await server.restart();
    await live;
    expect((await nuwa.get('/alive')).ephemeralOwner).toBe(nuwa.session.id);
  });
});

describe('a server that can no longer write its log', SLOW, () => {
  it('says so to writers, answers stale reads, ends no session, and writes again after a restart', async () => {
    const dataDir = join(harness.dir, 'data');
    const limited = harness.processWithFileLimit(400_000, 'run-nuwa.ts', dataDir, 'tcp://127.0.0.1:0');
    const address = await limited.line();
    const nuwa = await harness.client(address, { ttlMs: 1_000 });
    const states = record(nuwa);
    await nuwa.create('/n', bytes(''));
    let version = 0;
    const write = async (): Promise<void> => {
      for (;;) ({ version } = await nuwa.set('/n', new Uint8Array(50_000).fill(version + 1)));
    };
    await expect(write()).rejects.toMatchObject({ code: 'Unwritable' });
    expect(version).toBeGreaterThan(2);
    await expect(nuwa.create('/small', bytes(''))).rejects.toMatchObject({ code: 'Unwritable' });
    await expect(nuwa.get('/n')).rejects.toMatchObject({ code: 'Unwritable' });
    expect((await nuwa.get('/n', { stale: true })).version).toBe(version);
    await systemClock.sleep(1_500); // longer than the TTL: nothing must happen in this time
    expect(states).not.toContain('expired');

    await limited.kill();
    const free = harness.process('run-nuwa.ts', dataDir, address);
    expect(await free.line()).toBe(address);
    // The write that failed may be found done, the ones before it must be.
    const found = (await nuwa.get('/n')).version;
    expect([version, version + 1]).toContain(found);
    await nuwa.set('/n', bytes('again'), { version: found });
  });
});

describe('a client process', SLOW, () => {
  it('that is killed leaves its ephemerals until the TTL is over, then they are gone', async () => {
    const { address } = await harness.server();
    const nuwa = await harness.client(address);
    const client = harness.process('run-client.ts', address, '1500', 'stay');
    expect(await client.line()).toBe('ready');
    const { revision } = await nuwa.list('/');
    const gone = takeUntil(nuwa.watch('/', { recursive: true, afterRevision: revision }), ({ path }) => path === '/services/demo/one');
    await client.kill();
    const killedAtMs = systemClock.monotonicMs();
    expect((await gone).map(({ kind, path }) => `${kind} ${path}`)).toEqual(['deleted /mine', 'deleted /services/demo/one']);
    // Its last sign of life was at most a third of the TTL before; the looks of the expiry loop and a busy machine may add to it.
    const tookMs = systemClock.monotonicMs() - killedAtMs;
    expect(tookMs).toBeGreaterThan(300);
    expect(tookMs).toBeLessThan(10_000);
  });

  it('that closes its client exits by itself, and its ephemerals go at once', async () => {
    const { address } = await harness.server();
    const nuwa = await harness.client(address);
    const client = harness.process('run-client.ts', address, '60000', 'leave');
    expect(await client.line()).toBe('ready');
    expect(await client.exited).toBe(0);
    expect((await nuwa.list('/')).children.map(({ path }) => path)).toEqual(['/services']);
    expect((await nuwa.list('/services/demo')).children).toEqual([]);
  });

  it('that stood still for longer than its TTL hears that its session expired, and registers again', async () => {
    const { address } = await harness.server();
    const nuwa = await harness.client(address);
    const client = harness.process('run-client.ts', address, '500', 'stay');
    expect(await client.line()).toBe('ready');
    const { revision } = await nuwa.list('/');
    const events = nuwa.watch('/services', { recursive: true, afterRevision: revision })[Symbol.asyncIterator]();
    client.child.kill('SIGSTOP');
    expect((await events.next()).value).toMatchObject({ kind: 'deleted', path: '/services/demo/one' });
    client.child.kill('SIGCONT');
    while ((await client.line()) !== 'expired');
    expect((await events.next()).value).toMatchObject({ kind: 'created', path: '/services/demo/one' });
  });
});
