import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { joinCluster } from '../../../../services/nuwa/client.ts';
import type { NuwaClient } from '../../../../services/nuwa/contract.ts';
import { bytes } from '../core/tree/script.ts';
import { Harness, leaderOf, type NuwaServer, type Process, takeUntil } from '../harness.ts';
import { whoService } from './who-service.ts';

/** The client against a real group of three, and services and lock holders as real processes. */
let harness: Harness;
let servers: NuwaServer[];
let addresses: string[];

beforeEach(async () => {
  harness = new Harness();
  servers = await harness.group(3);
  addresses = servers.map(({ address }) => address);
});
afterEach(() => harness.close());

const SLOW = { timeout: 90_000 };

describe('a group whose leader stops', SLOW, () => {
  test('goes on with its clients: sessions live, watches miss nothing, locks and numbers stay exclusive', async () => {
    const clients = await Promise.all([0, 1, 2].map(() => harness.client(addresses, { ttlMs: 10_000 })));
    const [a, b, c] = clients as [NuwaClient, NuwaClient, NuwaClient];
    const states: string[] = [];
    for (const { session } of clients) session.onState((state) => states.push(state));
    await a.create('/w', bytes(''), { ephemeral: false });
    await b.create('/mine', bytes(''), { ephemeral: true });
    const watched = takeUntil(c.watch('/w', { recursive: true, afterRevision: 0 }), ({ path }) => path === '/w/last');

    let running = true;
    const made: number[] = [];
    const numbers: number[] = [];
    const tokens: number[] = [];
    let holders = 0;
    const work = [
      (async () => {
        for (let i = 0; running; i++) made.push((await a.create(`/w/${i}`, bytes(''))).revision);
      })(),
      ...clients.map(async (client) => {
        while (running) numbers.push(await client.sequence('/numbers').next());
      }),
      ...clients.map(async (client) => {
        while (running) {
          const held = await client.lock('/lock');
          expect(++holders).toBe(1);
          tokens.push(held.token);
          await client.get('/w');
          holders--;
          await held.release();
        }
      }),
    ];
    const leader = await leaderOf(servers);
    const grow = async (): Promise<void> => {
      const before = [made, numbers, tokens].map(({ length }) => length);
      await expect.poll(() => [made, numbers, tokens].every(({ length }, i) => length > before[i]! + 10), { timeout: 30_000 }).toBe(true);
    };
    await grow();
    await leader.stop();
    await leaderOf(servers.filter((server) => server !== leader));
    await grow();
    running = false;
    await Promise.all(work);
    await a.create('/w/last', bytes(''));

    expect((await watched).slice(1, -1).map(({ revision }) => revision)).toEqual(made);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(tokens).toEqual(tokens.toSorted((x, y) => x - y));
    expect((await a.get('/mine')).ephemeralOwner).toBe(b.session.id);
    expect(states).not.toContain('expired');
  });
});

describe('a lock', SLOW, () => {
  test('of a process that stands still passes on after its TTL with a higher token, and the process hears that it lost it', async () => {
    const nuwa = await harness.client(addresses);
    const holder = harness.process('client/run-holder.ts', '/lock', '1000', ...addresses);
    const token = Number(await holder.line());
    holder.child.kill('SIGSTOP');
    const held = await nuwa.lock('/lock');
    expect(held.token).toBeGreaterThan(token);
    holder.child.kill('SIGCONT');
    expect(await holder.line()).toBe('lost');
    expect(held.lost.aborted).toBe(false);
    await held.release();
  });

  test('of a process that is killed passes on after its TTL', async () => {
    const nuwa = await harness.client(addresses);
    const holder = harness.process('client/run-holder.ts', '/lock', '500', ...addresses);
    const token = Number(await holder.line());
    const waiting = nuwa.lock('/lock');
    await holder.kill();
    expect((await waiting).token).toBeGreaterThan(token);
  });
});

describe('a service of three processes', SLOW, () => {
  test('is called by its name without one failed call while one is killed and comes back elsewhere, and while all restart in turn', async () => {
    const names = ['one', 'two', 'three'];
    const processes = new Map<string, Process>();
    const start = async (name: string): Promise<void> => {
      const process = harness.process('client/run-service.ts', name, '1000', ...addresses);
      processes.set(name, process);
      expect(await process.line()).toBe('ready');
    };
    await Promise.all(names.map(start));
    const member = await joinCluster({ cluster: 'test', nuwa: addresses, creator: 'caller' });
    harness.onClose(() => member.leave());
    const rules = ['roundRobin', 'leastPending', { rendezvous: ({ key = '' }: { key?: string }) => key }] as const;
    const services = rules.map((pick) => member.kuafu.service(whoService, 'nuwa://test/who/', { pick }));
    await expect.poll(async () => new Set(await answers())).toHaveProperty('size', 3);

    let running = true;
    let answered = 0;
    const failures: unknown[] = [];
    const callers = services.flatMap((service) =>
      [1, 2, 3, 4].map(async (_, i) => {
        while (running) {
          await service.who({ key: `${i}` }).then(
            () => answered++,
            (error) => failures.push(error),
          );
        }
      }),
    );
    const untilMore = (): Promise<void> => {
      const wanted = answered + 300;
      return expect.poll(() => answered, { interval: 5, timeout: 20_000 }).toBeGreaterThan(wanted);
    };
    await untilMore();
    await processes.get('two')!.kill();
    await untilMore();
    await start('two');
    await untilMore();
    for (const name of names) {
      const process = processes.get(name)!;
      process.child.kill('SIGTERM');
      expect(await process.exited).toBe(0);
      await untilMore();
      await start(name);
      await untilMore();
    }
    running = false;
    await Promise.all(callers);
    expect(failures).toEqual([]);

    async function answers(): Promise<string[]> {
      return Promise.all(Array.from({ length: 12 }, async () => (await services[0]!.who({})).who));
    }
  });
});
