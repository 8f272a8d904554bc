import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import type { HeldLock, LockOptions, NuwaClient } from '../../../../services/nuwa/contract.ts';
import { bytes } from '../core/tree/script.ts';
import { text } from '../harness.ts';
import { MemoryGroup } from './memory-group.ts';

let group: MemoryGroup;
let a: NuwaClient;
let b: NuwaClient;
beforeEach(async () => {
  group = await MemoryGroup.start(3);
  [a, b] = await Promise.all([group.client({ creator: 'a' }), group.client({ creator: 'b' })]);
});
afterEach(() => group.close());

const names = async (path: string): Promise<string[]> => (await a.list(path)).children.map((child) => child.path.slice(path.length + 1));
const aborts = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => (signal.aborted ? resolve(signal.reason) : signal.addEventListener('abort', () => resolve(signal.reason))));
/** A promise whose state can be asked. */
function pending<T>(promise: Promise<T>): { promise: Promise<T>; settled: boolean } {
  const state = { promise, settled: false };
  const settle = (): void => {
    state.settled = true;
  };
  promise.then(settle, settle);
  return state;
}
/** Resolves when that many nodes queue at the path. */
const queued = (path: string, count: number): Promise<void> =>
  expect.poll(async () => (await a.list(path).catch(() => ({ children: [] }))).children.length).toBe(count);

describe('a lock', () => {
  test('is held by one at a time, in the order of asking, with growing tokens', async () => {
    const first = await a.lock('/l', { holder: 'me' });
    expect(await names('/l')).toEqual([expect.stringMatching(/^exclusive-[0-9a-z]{16}-\d{10}$/)]);
    const { children } = await a.list('/l');
    expect(children[0]).toMatchObject({ createRevision: first.token, ephemeralOwner: a.session.id });
    expect(text(children[0]!.value)).toBe('me');
    expect((await a.get('/l')).container).toBe(true);
    const second = pending(b.lock('/l'));
    await queued('/l', 2);
    const third = pending(a.lock('/l'));
    await queued('/l', 3);
    expect([second.settled, third.settled, first.lost.aborted]).toEqual([false, false, false]);
    await first.release();
    const held = await second.promise;
    expect(held.token).toBeGreaterThan(first.token);
    expect(third.settled).toBe(false);
    await held.release();
    const last = await third.promise;
    expect(last.token).toBeGreaterThan(held.token);
    await last.release();
    await last.release();
    expect(await names('/l')).toEqual([]);
    expect(last.lost.aborted).toBe(false);
  });

  test('wakes one waiter when it is released, not all', async () => {
    const first = await a.lock('/l');
    const waiters = Array.from({ length: 10 }, () => pending(b.lock('/l')));
    // Each waits for the one before it, and the holder watches its own.
    await expect.poll(() => group.waiting).toBe(11);
    const lists = group.calls('list');
    await first.release();
    const held = await Promise.race(waiters.map(({ promise }) => promise));
    await new Promise((resolve) => setTimeout(resolve, 50)); // in which a herd would come
    expect(waiters.filter(({ settled }) => settled)).toHaveLength(1);
    expect(group.calls('list') - lists).toBe(1);
    await held.release();
    for (const { promise } of waiters) await (await promise).release();
  });

  test('shared is held by many, and excludes exclusive ones, which are not starved', async () => {
    const [one, two] = await Promise.all([a.lock('/l', { mode: 'shared' }), b.lock('/l', { mode: 'shared' })]);
    const writer = pending(a.lock('/l'));
    await queued('/l', 3);
    const reader = pending(b.lock('/l', { mode: 'shared' }));
    await queued('/l', 4);
    await one.release();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect([writer.settled, reader.settled]).toEqual([false, false]);
    await two.release();
    const written = await writer.promise;
    expect(reader.settled).toBe(false);
    await written.release();
    await (await reader.promise).release();
  });

  test('that is waited for no longer leaves no node, at whatever moment the caller gives up', async () => {
    const first = await a.lock('/l');
    for (let turns = 0; turns < 25; turns++) {
      const stop = new AbortController();
      const waiting = b.lock('/l', { signal: stop.signal });
      waiting.catch(() => {});
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
      stop.abort(new Error('no longer'));
      await expect(waiting).rejects.toThrow('no longer');
    }
    await queued('/l', 1);
    await expect(b.lock('/l', { signal: AbortSignal.abort(new Error('never')) })).rejects.toThrow('never');
    await first.release();
    await queued('/l', 0);
    await (await b.lock('/l')).release();
  });

  test('passes over one that gives up in the middle of the queue', async () => {
    const first = await a.lock('/l');
    const stop = new AbortController();
    const middle = b.lock('/l', { signal: stop.signal });
    middle.catch(() => {});
    await queued('/l', 2);
    const last = pending(a.lock('/l'));
    await queued('/l', 3);
    stop.abort();
    await queued('/l', 2);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(last.settled).toBe(false);
    await first.release();
    await (await last.promise).release();
  });

  test.each(['create', 'delete'])('whose reply to the %s is lost leaves no node in the way of others', async (method) => {
    for (let i = 0; i < 3; i++) {
      let left = 2;
      for (const server of group.servers) server.fate = (each) => (each === method && left-- > 0 ? 'loseReply' : undefined);
      const held = await a.lock('/l');
      expect(await names('/l')).toHaveLength(1);
      await held.release();
      expect(left).toBeLessThanOrEqual(0);
      for (const server of group.servers) server.fate = () => undefined;
      await (await b.lock('/l')).release();
    }
    expect(await names('/l')).toEqual([]);
  });

  test('that was asked for while no server answered, and given up meanwhile, leaves nothing behind', async () => {
    let refusing = true;
    for (const server of group.servers) server.fate = (method) => (refusing && method === 'create' ? 'refuse' : undefined);
    const stop = new AbortController();
    const waiting = b.lock('/l', { signal: stop.signal });
    waiting.catch(() => {});
    await expect.poll(() => group.calls('create')).toBeGreaterThan(2);
    stop.abort(new Error('no longer'));
    await expect(waiting).rejects.toThrow('no longer');
    refusing = false;
    const held = await a.lock('/l');
    await queued('/l', 1);
    await held.release();
  });

  test('is lost in jeopardy, and its late release is harmless to who has it next', async () => {
    const client = await group.client({ ttlMs: 400 });
    const held = await client.lock('/l');
    const servers = group.servers;
    for (const server of servers) server.fate = (method, request) => (isOf(client, request) || method === 'poll' ? 'refuse' : undefined);
    expect(await aborts(held.lost)).toMatchObject({ code: 'NotHeld', reason: expect.stringMatching(/jeopardy/) });
    expect(client.session.state).toBe('jeopardy');
    expect(await names('/l')).toHaveLength(1); // it is nobody else's yet
    group.expire(client.session.id);
    for (const server of servers) server.fate = () => undefined;
    const next = await b.lock('/l');
    expect(next.token).toBeGreaterThan(held.token);
    await held.release();
    expect(next.lost.aborted).toBe(false);
    expect(await names('/l')).toHaveLength(1);
    await expect(client.lock('/l')).rejects.toMatchObject({ code: 'NoSession' });
    await next.release();
  });

  test('that was lost in jeopardy can be released and had again when the session lives', async () => {
    const client = await group.client({ ttlMs: 400 });
    const held = await client.lock('/l');
    for (const server of group.servers) server.fate = (method) => (method === 'keepAlive' ? 'refuse' : undefined);
    await aborts(held.lost);
    const live = new Promise<void>((resolve) => client.session.onState((state) => state === 'live' && resolve()));
    for (const server of group.servers) server.fate = () => undefined;
    await live;
    expect(held.lost.aborted).toBe(true);
    await held.release();
    const again = await client.lock('/l');
    expect([again.token > held.token, again.lost.aborted]).toEqual([true, false]);
    await again.release();
  });

  test('that is given while the session is in jeopardy is lost from the beginning', async () => {
    const client = await group.client({ ttlMs: 400 });
    const jeopardy = new Promise<void>((resolve) => client.session.onState((state) => state === 'jeopardy' && resolve()));
    for (const server of group.servers) server.fate = (method) => (method === 'keepAlive' ? 'refuse' : undefined);
    await jeopardy;
    const held = await client.lock('/l');
    expect(held.lost.aborted).toBe(true);
    await held.release();
    await (await b.lock('/l')).release();
  });

  test('is lost when somebody removes its node; a waiter whose node was removed queues again', async () => {
    const held = await a.lock('/l');
    const waiting = pending(b.lock('/l'));
    await queued('/l', 2);
    const [first, second] = (await a.list('/l')).children.toSorted((x, y) => x.createRevision - y.createRevision);
    await a.delete(second!.path);
    await a.delete(first!.path);
    expect(await aborts(held.lost)).toMatchObject({ code: 'NotHeld', reason: expect.stringMatching(/removed/) });
    const next = await waiting.promise;
    expect(next.token).toBeGreaterThan(held.token);
    await held.release();
    expect(next.lost.aborted).toBe(false);
    await next.release();
  });

  test('is lost when its client closes, and a waiter of a session that expires hears NoSession', async () => {
    const held = await a.lock('/l');
    const dying = await group.client({ ttlMs: 300 });
    const waiting = dying.lock('/l');
    waiting.catch(() => {});
    await expect.poll(async () => (await b.list('/l')).children.length).toBe(2);
    group.expire(dying.session.id);
    await expect(waiting).rejects.toMatchObject({ code: 'NoSession' });
    await a.close();
    expect(await aborts(held.lost)).toMatchObject({ code: 'NotHeld' });
    await (await b.lock('/l')).release();
  });

  test('among 50 contenders is held by one at a time, and each token is above the last', { timeout: 60_000 }, async () => {
    for (let seed = 1; seed <= 2; seed++) {
      const random = seededRandom(seed);
      const clients = [a, b, await group.client()];
      let holders = 0;
      let highest = 0;
      let grants = 0;
      await Promise.all(
        Array.from({ length: 50 }, async (_, i) => {
          const stop = new AbortController();
          const options: LockOptions = { holder: `${i}`, signal: stop.signal };
          if (random.int(5) === 0) setTimeout(() => stop.abort(), random.int(40));
          const held: HeldLock | undefined = await clients[i % 3]!.lock('/l', options).catch((error) => {
            if (!stop.signal.aborted) throw error;
            return undefined;
          });
          if (!held) return;
          holders++;
          expect(holders, `seed ${seed}`).toBe(1);
          expect(held.token, `seed ${seed}`).toBeGreaterThan(highest);
          highest = held.token;
          grants++;
          await new Promise((resolve) => setTimeout(resolve, random.int(3)));
          holders--;
          await held.release();
        }),
      );
      expect(grants, `seed ${seed}`).toBeGreaterThan(30);
      await expect.poll(async () => (await b.list('/l')).children.length).toBe(0);
    }
  });

  /** A request that names the client's session. */
  function isOf(client: NuwaClient, request: unknown): boolean {
    return (request as { session?: string }).session === client.session.id;
  }
});

describe('an election', () => {
  test('has one leader, whose value all see, and the next when it goes', async () => {
    const stop = new AbortController();
    const seen: string[] = [];
    const observing = (async () => {
      for await (const leader of b.observe('/e', { signal: stop.signal }))
        seen.push(leader ? `${text(leader.value)}@${leader.token}` : '-');
    })();
    await expect.poll(() => seen).toEqual(['-']);
    const first = await a.elect('/e', bytes('one'));
    const second = pending(b.elect('/e', bytes('two')));
    await queued('/e', 2);
    await first.setValue(bytes('uno'));
    await expect.poll(() => seen).toEqual(['-', `one@${first.token}`, `uno@${first.token}`]);
    expect(second.settled).toBe(false);
    await first.release();
    const next = await second.promise;
    await expect.poll(() => seen.at(-1)).toBe(`two@${next.token}`);
    await expect(first.setValue(bytes('late'))).rejects.toMatchObject({ code: 'NotHeld' });
    group.expire(b.session.id);
    expect(await aborts(next.lost)).toMatchObject({ code: 'NotHeld' });
    await expect(next.setValue(bytes('late'))).rejects.toMatchObject({ code: 'NotHeld' });
    await expect.poll(() => seen.at(-1)).toBe('-');
    stop.abort();
    await observing;
    // Late observers begin with what is.
    const third = await a.elect('/e', bytes('three'));
    for await (const leader of a.observe('/e')) {
      expect([text(leader!.value), leader!.token]).toEqual(['three', third.token]);
      break;
    }
  });

  test('and a lock of the same path exclude one another', async () => {
    const held = await a.lock('/e');
    const leader = pending(b.elect('/e', bytes('')));
    await queued('/e', 2);
    expect(leader.settled).toBe(false);
    await held.release();
    await (await leader.promise).release();
  });
});

describe('a double barrier', () => {
  test('lets nobody on before all are there, and nobody go before all are done, again and again', { timeout: 30_000 }, async () => {
    const clients = [a, b, await group.client(), await group.client()];
    const barriers = clients.map((client) => client.barrier('/b', 4));
    const log: string[] = [];
    await Promise.all(
      barriers.map(async (barrier, i) => {
        const random = seededRandom(i);
        for (let round = 0; round < 4; round++) {
          await new Promise((resolve) => setTimeout(resolve, random.int(15)));
          log.push(`come ${round}`);
          await barrier.enter();
          log.push(`work ${round}`);
          await new Promise((resolve) => setTimeout(resolve, random.int(15)));
          log.push(`done ${round}`);
          await barrier.leave();
          log.push(`gone ${round}`);
        }
      }),
    );
    for (let round = 0; round < 4; round++) {
      const last = (what: string) => log.lastIndexOf(`${what} ${round}`);
      const first = (what: string) => log.indexOf(`${what} ${round}`);
      expect(first('work'), log.join()).toBeGreaterThan(last('come'));
      expect(first('gone'), log.join()).toBeGreaterThan(last('done'));
    }
    expect(await names('/b')).toEqual([]);
  });

  test('goes on without a party that dies in it, and waits for another when one dies before', async () => {
    const dying = await group.client({ ttlMs: 300 });
    const one = a.barrier('/b', 2);
    const entering = dying.barrier('/b', 3).enter();
    entering.catch(() => {});
    await queued('/b', 1);
    group.expire(dying.session.id);
    await expect(entering).rejects.toMatchObject({ code: 'NoSession' });
    const entered = pending(one.enter());
    await queued('/b', 1);
    expect(entered.settled).toBe(false);
    const other = await group.client({ ttlMs: 300 });
    await Promise.all([entered.promise, other.barrier('/b', 2).enter()]);
    const leaving = pending(one.leave());
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(leaving.settled).toBe(false);
    group.expire(other.session.id);
    await leaving.promise;
    expect(await names('/b')).toEqual([]);
  });

  test('whose parties all died can be used again', async () => {
    const others = await Promise.all([group.client({ ttlMs: 300 }), group.client({ ttlMs: 300 })]);
    await Promise.all(others.map((other) => other.barrier('/b', 2).enter()));
    for (const { session } of others) group.expire(session.id);
    expect(await names('/b')).toEqual(['ready']);
    const both = [a.barrier('/b', 2), b.barrier('/b', 2)];
    await Promise.all(both.map((each) => each.enter()));
    await Promise.all(both.map((each) => each.leave()));
    expect(await names('/b')).toEqual([]);
  });

  test('is left by who gives up waiting, and refuses what makes no sense', async () => {
    const stop = new AbortController();
    const barrier = a.barrier('/b', 2);
    const entering = barrier.enter({ signal: stop.signal });
    entering.catch(() => {});
    await queued('/b', 1);
    stop.abort(new Error('no longer'));
    await expect(entering).rejects.toThrow('no longer');
    await queued('/b', 0);
    await expect(barrier.leave()).rejects.toMatchObject({ code: 'NotHeld' });
    expect(() => a.barrier('/b', 0)).toThrow(/BadArguments/);
    await Promise.all([barrier.enter(), b.barrier('/b', 2).enter()]);
    await expect(barrier.enter()).rejects.toMatchObject({ code: 'BadArguments' });
  });
});

describe('a sequence', () => {
  test('gives 1, 2, 3, … each once, to whoever asks, also when replies are lost', async () => {
    expect([await a.sequence('/s/of/numbers').next(), await b.sequence('/s/of/numbers').next()]).toEqual([1, 2]);
    const all = await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 ? a : b).sequence('/s/of/numbers').next()));
    expect(all.toSorted((x, y) => x - y)).toEqual(Array.from({ length: 40 }, (_, i) => i + 3));
    let left = 2;
    for (const server of group.servers) server.fate = (method) => (method === 'set' && left-- > 0 ? 'loseReply' : undefined);
    expect([await a.sequence('/s/of/numbers').next(), await b.sequence('/s/of/numbers').next()]).toEqual([43, 44]);
  });

  test('goes on when the session of its client expired', async () => {
    const client = await group.client({ ttlMs: 60_000 });
    expect(await client.sequence('/s').next()).toBe(1);
    group.expire(client.session.id);
    expect(await client.sequence('/s').next()).toBe(2);
  });
});
