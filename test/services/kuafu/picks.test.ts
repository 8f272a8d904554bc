import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import { defineService, type KuafuClient, type KuafuServer, method, type Resolver } from '../../../services/kuafu/contract.ts';
import { implement, serve } from '../../../services/kuafu/server.ts';
import { EchoError, EchoHandlers, echoService } from './echo.ts';

/** Where calls go when a service has several instances: over real sockets and real processes. */
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Started {
  server: KuafuServer;
  handlers: EchoHandlers;
}

async function startServer(who: string): Promise<Started> {
  const handlers = new EchoHandlers(who);
  const server = await serve({ guard: 'none', address: 'tcp://127.0.0.1:0', implementations: [handlers.implementation()] });
  cleanups.push(() => server.close({ graceMs: 0 }));
  return { server, handlers };
}

const startServers = (...names: string[]): Promise<Started[]> => Promise.all(names.map(startServer));
const addressesOf = (started: Started[]): string[] => started.map(({ server }) => server.address);

/** Instances by name, as Nuwa would tell of them. */
class Directory implements Resolver {
  readonly byName = new Map<string, string>();
  #seen: string[] = [];

  set(name: string, address: string | undefined): void {
    if (address === undefined) this.byName.delete(name);
    else this.byName.set(name, address);
    this.#seen = [...this.byName.values()];
  }

  async resolve(): Promise<string[]> {
    return this.#seen;
  }

  suspect(): void {}

  nameOf(_address: string, tcpAddress: string): string | undefined {
    for (const [name, address] of this.byName) if (address === tcpAddress) return name;
    return undefined;
  }
}

function clientOf(addresses: string[] | Resolver): KuafuClient {
  const resolver = Array.isArray(addresses) ? { resolve: async () => addresses, suspect: () => {} } : addresses;
  const client = createKuafuClient({ resolver });
  cleanups.push(() => client.close());
  return client;
}

test('one stays at one server while it answers, and moves with all its calls when it is gone', async () => {
  const started = await startServers('a', 'b', 'c');
  const echo = clientOf(addressesOf(started)).service(echoService, 'nuwa://test/echo/', { pick: 'one' });
  const answers = async (calls: number) =>
    new Set((await Promise.all(Array.from({ length: calls }, () => echo.who({})))).map(({ who }) => who));
  const [first, ...none] = await answers(50);
  expect(none).toEqual([]);
  const { server } = started.find(({ handlers }) => handlers.who === first)!;
  await server.close({ graceMs: 0 });
  const after = await answers(50);
  expect(after).not.toContain(first);
  expect((await answers(50)).size).toBe(1);
});

test('least pending goes round a server that is slow to answer', async () => {
  const [slow, quick] = await startServers('slow', 'quick');
  const echo = clientOf(addressesOf([slow!, quick!])).service(echoService, 'nuwa://test/echo/', { pick: 'leastPending' });
  const waits: Promise<unknown>[] = [];
  // Calls that nobody answers are owed evenly; then one server answers its own.
  for (let i = 0; i < 8; i++) waits.push(echo.waitAgain({ name: `${i}` }));
  await Promise.all([slow!.handlers.untilWaiting(4), quick!.handlers.untilWaiting(4)]);
  const quickly = [...quick!.handlers.waiting.entries()];
  for (const [, { release }] of quickly) release();
  await Promise.all(quickly.map(([name]) => waits[Number(name)]));
  for (let i = 0; i < 4; i++) expect(await echo.who({})).toEqual({ who: 'quick' });
  for (const { release } of slow!.handlers.waiting.values()) release();
  await Promise.all(waits);
});

/** Says who answered a key; one that declines says that another should. */
const keyedService = defineService('keyed', {
  errors: EchoError,
  methods: { who: method({ request: z.object({ key: z.string() }), response: z.object({ who: z.string() }), idempotent: true }) },
});

async function startKeyed(who: string, answer = async (): Promise<{ who: string }> => ({ who })): Promise<KuafuServer> {
  const server = await serve({ guard: 'none', address: 'tcp://127.0.0.1:0', implementations: [implement(keyedService, { who: answer })] });
  cleanups.push(() => server.close({ graceMs: 0 }));
  return server;
}

test('a key keeps its instance when that moves to another port, and goes elsewhere only while it is gone', async () => {
  const directory = new Directory();
  const [a, ...others] = await Promise.all(['a', 'b', 'c'].map((who) => startKeyed(who)));
  for (const [i, { address }] of [a!, ...others].entries()) directory.set('abc'[i]!, address);
  const keyed = clientOf(directory).service(keyedService, 'nuwa://test/keyed/', { pick: { rendezvous: ({ key }) => key } });
  const keys = Array.from({ length: 60 }, (_, i) => `key-${i}`);
  const servedBy = async () => new Map(await Promise.all(keys.map(async (key) => [key, (await keyed.who({ key })).who] as const)));
  const before = await servedBy();
  expect(new Set(before.values())).toEqual(new Set(['a', 'b', 'c']));
  await a!.close({ graceMs: 0 });
  directory.set('a', undefined);
  const without = await servedBy();
  for (const key of keys) {
    if (before.get(key) === 'a') expect(['b', 'c']).toContain(without.get(key));
    else expect(without.get(key)).toBe(before.get(key));
  }
  directory.set('a', (await startKeyed('a')).address);
  expect(await servedBy()).toEqual(before);
});

test('an error that holds for one instance is tried at the others, and told when all say so', async () => {
  const asked: string[] = [];
  const decline = (who: string) => async (): Promise<never> => {
    asked.push(who);
    throw new EchoError('NotToday', `not by ${who}`);
  };
  const [one, two, third] = await Promise.all([startKeyed('one', decline('one')), startKeyed('two', decline('two')), startKeyed('third')]);
  const options = { elsewhere: ['NotToday'], pick: 'one' as const };
  const mixed = clientOf([one.address, two.address, third.address]).service(keyedService, 'nuwa://test/keyed/', options);
  for (let i = 0; i < 3; i++) expect(await mixed.who({ key: '' })).toEqual({ who: 'third' });
  asked.length = 0;
  const none = clientOf([one.address, two.address]).service(keyedService, 'nuwa://test/keyed/', options);
  await expect(none.who({ key: '' })).rejects.toMatchObject({ name: 'EchoError', code: 'NotToday' });
  expect(asked.toSorted()).toEqual(['one', 'two']);
});

describe('real processes', { timeout: 60_000 }, () => {
  async function startProcess(who: string, address = 'tcp://127.0.0.1:0'): Promise<{ child: ChildProcess; address: string }> {
    const child = fork(new URL('server-process.ts', import.meta.url), [address, who], { execArgv: ['--import', 'tsx'] });
    cleanups.push(() => child.kill('SIGKILL'));
    const [message] = (await once(child, 'message')) as [{ address: string }];
    return { child, address: message.address };
  }

  test('one that stands still loses its calls to another after one try, and is left alone for a while', async () => {
    const hung = await startProcess('hung');
    const { server } = await startServer('well');
    const echo = clientOf([hung.address, server.address]).service(echoService, 'nuwa://test/echo/', { tryTimeoutMs: 1_000 });
    await Promise.all([echo.who({}), echo.who({})]);
    hung.child.kill('SIGSTOP');
    const startedAtMs = performance.now();
    for (let i = 0; i < 10; i++) expect(await echo.who({})).toEqual({ who: 'well' });
    // One try of a second, not five.
    expect(performance.now() - startedAtMs).toBeLessThan(4_000);
    hung.child.kill('SIGCONT');
    await expect.poll(async () => (await echo.who({})).who, { timeout: 10_000 }).toBe('hung');
  });

  test.each(['roundRobin', 'leastPending', 'one'] as const)(
    'under load, one is killed and comes back at another port, then all are restarted in turn: no call fails (%s)',
    async (pick) => {
      const directory = new Directory();
      const names = ['a', 'b', 'c'];
      const processes = new Map<string, ChildProcess>();
      const start = async (name: string): Promise<void> => {
        const { child, address } = await startProcess(name);
        processes.set(name, child);
        directory.set(name, address);
      };
      await Promise.all(names.map(start));
      const echo = clientOf(directory).service(echoService, 'nuwa://test/echo/', { pick, tryTimeoutMs: 2_000 });
      let running = true;
      let answered = 0;
      const failures: unknown[] = [];
      const callers = Array.from({ length: 16 }, async () => {
        while (running) {
          await echo.who({}).then(
            () => answered++,
            (error) => failures.push(error),
          );
        }
      });
      const untilMore = (calls: number): Promise<void> => {
        const wanted = answered + calls;
        return expect.poll(() => answered, { interval: 5, timeout: 20_000 }).toBeGreaterThan(wanted);
      };
      const restart = async (name: string): Promise<void> => {
        const child = processes.get(name)!;
        const exited = once(child, 'exit');
        child.kill('SIGKILL');
        await exited;
        await untilMore(200); // callers still have its old address
        directory.set(name, undefined);
        await start(name);
        await untilMore(200);
      };
      await untilMore(200);
      for (const name of ['b', ...names]) await restart(name);
      running = false;
      await Promise.all(callers);
      expect(failures).toEqual([]);
    },
  );
});
