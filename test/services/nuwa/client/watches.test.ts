import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import { CompactedError, type NuwaClient, type NuwaEvent } from '../../../../services/nuwa/contract.ts';
import { bytes } from '../core/tree/script.ts';
import { takeUntil, text } from '../harness.ts';
import { MemoryGroup } from './memory-group.ts';

let group: MemoryGroup;
let nuwa: NuwaClient;
beforeEach(async () => {
  group = await MemoryGroup.start(3);
  nuwa = await group.client();
});
afterEach(() => group.close());

const revisions = (events: readonly NuwaEvent[]): number[] => events.map(({ revision }) => revision);
const upTo = (revision: number) => (event: NuwaEvent) => event.revision >= revision;

describe('watches of one client', () => {
  test('of the same nodes share one poll for each batch of changes', async () => {
    await nuwa.create('/d', bytes(''));
    const watchers = Array.from({ length: 200 }, () => nuwa.watch('/d', { recursive: true })[Symbol.asyncIterator]());
    const firsts = watchers.map((watcher) => watcher.next());
    await expect.poll(() => group.waiting).toBe(1);
    const before = group.calls('poll');
    const writer = await group.client();
    await writer.create('/d/a', bytes('A'));
    for (const first of await Promise.all(firsts)) expect(first.value).toMatchObject({ kind: 'created', path: '/d/a' });
    const seconds = watchers.map((watcher) => watcher.next());
    await expect.poll(() => group.waiting).toBe(1);
    await writer.set('/d/a', bytes('B'));
    await Promise.all(seconds);
    expect(group.calls('poll') - before).toBeLessThanOrEqual(3);
    // The last to leave ends the poll.
    for (const watcher of watchers) await watcher.return!();
    await expect.poll(() => group.waiting).toBe(0);
  });

  test('that begin at an old revision catch up by themselves and then share too', async () => {
    for (let i = 0; i < 30; i++) await nuwa.create(`/n${i}`, bytes(''));
    const current = nuwa.watch('/', { recursive: true })[Symbol.asyncIterator]();
    const first = current.next();
    await expect.poll(() => group.waiting).toBe(1);
    const old = nuwa.watch('/', { recursive: true, afterRevision: 3 })[Symbol.asyncIterator]();
    const seen: number[] = [];
    for (let i = 4; i <= 30; i++) seen.push((await old.next()).value.revision);
    expect(seen).toEqual(Array.from({ length: 27 }, (_, i) => i + 4));
    const next = old.next();
    // One to begin, one that waits for both, one to catch up.
    expect([group.calls('poll'), group.waiting]).toEqual([3, 1]);
    await nuwa.create('/last', bytes(''));
    expect([(await first).value.path, (await next).value.path]).toEqual(['/last', '/last']);
  });

  test('do not wait for one that is slow, which misses nothing and holds little', async () => {
    await nuwa.create('/d', bytes(''));
    const slow = nuwa.watch('/d', { recursive: true })[Symbol.asyncIterator]();
    const started = slow.next();
    const quick = takeUntil(nuwa.watch('/d', { recursive: true, afterRevision: 1 }), ({ path }) => path === '/d/last');
    await expect.poll(() => group.waiting).toBe(1);
    // More than a queue takes: 40 MB of values against 4 MiB.
    const value = new Uint8Array(50_000);
    for (let i = 0; i < 800; i++) await nuwa.create(`/d/${i}`, value);
    await nuwa.create('/d/last', bytes(''));
    const all = Array.from({ length: 801 }, (_, i) => i + 2);
    expect(revisions(await quick)).toEqual(all);
    const taken = [(await started).value as NuwaEvent];
    while (taken.at(-1)!.path !== '/d/last') taken.push((await slow.next()).value);
    expect(revisions(taken)).toEqual(all);
  });

  test('go on at another server when theirs is killed, refuses or stands still', { timeout: 30_000 }, async () => {
    const seen: string[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const { path } of nuwa.watch('/', { recursive: true, signal: stop.signal })) seen.push(path);
    })();
    const writer = await group.client();
    const wanted: string[] = [];
    for (const how of ['kill', 'refuse', 'hang'] as const) {
      await expect.poll(() => group.waiting, { timeout: 10_000 }).toBe(1);
      const server = await group.serverOf(nuwa);
      if (how === 'kill') await server.kill();
      else server.fate = () => how;
      server.lagging = true;
      const other = await writer.create(`/${how}`, bytes('')).then(({ path }) => path);
      wanted.push(other);
      await nuwa.get('/'); // any call finds out that the server is of no use
      await expect.poll(() => seen, { timeout: 15_000 }).toEqual(wanted);
      if (how === 'kill') await server.restart();
      server.fate = () => undefined;
      server.lagging = false;
      server.catchUp();
    }
    stop.abort();
    await watching;
  });

  test('"from now on" is not before what the client has seen, also at a server that is behind', async () => {
    const behind = await group.serverOf(nuwa);
    behind.lagging = true;
    behind.fate = (method) => (method === 'create' ? 'refuse' : undefined);
    await nuwa.create('/seen', bytes(''));
    behind.fate = () => undefined;
    // Back to the one that is behind.
    for (const server of group.servers) if (server !== behind) server.fate = (method) => (method === 'poll' ? 'refuse' : undefined);
    const next = nuwa.watch('/', { recursive: true })[Symbol.asyncIterator]().next();
    await expect.poll(() => group.calls('poll')).toBeGreaterThan(0);
    for (const server of group.servers) server.fate = () => undefined;
    behind.lagging = false;
    behind.catchUp();
    await nuwa.create('/later', bytes(''));
    expect((await next).value.path).toBe('/later');
  });

  test('whatever the servers do, each sees every change once, in order', { timeout: 60_000 }, async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const random = seededRandom(seed);
      const writer = await group.client();
      const watcher = await group.client();
      const { revision: from } = await writer.list('/');
      const last = `/last-${seed}`;
      const taken = Array.from({ length: 5 }, (_, i) =>
        takeUntil(
          watcher.watch('/', { recursive: true, afterRevision: from - random.int(i + 1) * Math.min(1, from) }),
          ({ path }) => path === last,
        ),
      );
      for (let i = 0; i < 60; i++) {
        const server = group.servers[random.int(3)]!;
        if (random.int(4) === 0) server.lagging = !server.lagging;
        if (random.int(6) === 0) server.fate = (method) => (method === 'poll' && random.int(2) === 0 ? 'refuse' : undefined);
        if (group.servers.every(({ lagging }) => lagging)) server.lagging = false;
        for (const each of group.servers) if (!each.lagging) each.catchUp();
        group.append({ kind: 'create', session: writer.session.id, request: 0, settled: 0, path: `/s${seed}-${i}`, value: bytes('') });
        if (random.int(3) === 0) await new Promise((resolve) => setTimeout(resolve, random.int(15)));
      }
      for (const server of group.servers) {
        server.fate = () => undefined;
        server.lagging = false;
        server.catchUp();
      }
      const { revision: to } = await writer.create(last, bytes(''));
      for (const events of await Promise.all(taken)) {
        const seen = revisions(events);
        expect(seen, `seed ${seed}`).toEqual(Array.from({ length: to - seen[0]! + 1 }, (_, i) => seen[0]! + i));
        expect(seen[0]!, `seed ${seed}`).toBeLessThanOrEqual(from + 1);
      }
      await writer.close();
      await watcher.close();
    }
  });
});

test('watchOnce resolves with the next change, and rejects when its signal aborts or its client closes', async () => {
  await nuwa.create('/a', bytes(''));
  const next = nuwa.watchOnce('/a');
  const resumed = nuwa.watchOnce('/a', { afterRevision: 0 });
  expect(await resumed).toMatchObject({ kind: 'created', revision: 1 });
  await expect.poll(() => group.waiting).toBe(1);
  await nuwa.set('/a', bytes('x'));
  expect(await next).toMatchObject({ kind: 'changed', revision: 2 });
  const stop = new AbortController();
  const aborted = nuwa.watchOnce('/a', { signal: stop.signal });
  aborted.catch(() => {});
  stop.abort(new Error('enough'));
  await expect(aborted).rejects.toThrow('enough');
  await expect(nuwa.watchOnce('/a', { signal: stop.signal })).rejects.toThrow('enough');
  const other = await group.client();
  const left = other.watchOnce('/a');
  left.catch(() => {});
  await other.close();
  await expect(left).rejects.toMatchObject({ code: 'Unavailable' });
});

describe('when changes are no longer kept', () => {
  beforeEach(async () => {
    await group.close();
    group = await MemoryGroup.start(3, { eventsMax: 5, pageBytes: 700 });
    nuwa = await group.client();
    await nuwa.create('/d', bytes('top'));
    for (let i = 0; i < 8; i++) await nuwa.create(`/d/${i}`, bytes(`v${i}`));
    await nuwa.create('/d/3/deep', bytes('deep'));
  });

  test('a watch says so with a snapshot to go on from, of what it watches', async () => {
    const failure = async (path: string, recursive: boolean): Promise<CompactedError> => {
      const error: unknown = await takeUntil(nuwa.watch(path, { recursive, afterRevision: 1 }), () => false).catch((error) => error);
      expect(error).toBeInstanceOf(CompactedError);
      return error as CompactedError;
    };
    const below = await failure('/d', true);
    expect(below).toMatchObject({ name: 'CompactedError', code: 'Compacted', details: { oldestRevision: 6 } });
    expect(below.snapshot.revision).toBe(10);
    expect(below.snapshot.nodes.map(({ path }) => path)).toEqual(['/d', ...Array.from({ length: 8 }, (_, i) => `/d/${i}`), '/d/3/deep']);
    expect(text(below.snapshot.nodes[3]!.value)).toBe('v2');
    const alone = await failure('/d', false);
    expect(alone.snapshot.nodes.map(({ path }) => path)).toEqual(['/d']);
    const none = await failure('/none', true);
    expect(none.snapshot).toEqual({ nodes: [], revision: 10, readTo: 10 });
    // And from there on nothing is missed.
    const next = takeUntil(nuwa.watch('/d', { recursive: true, afterRevision: below.snapshot.revision }), upTo(11));
    await nuwa.set('/d/1', bytes('new'));
    expect(revisions(await next)).toEqual([11]);
  });

  test('many watchers that fell behind together share one listing', async () => {
    const before = group.calls('get');
    const failed = await Promise.allSettled(
      Array.from({ length: 50 }, () => takeUntil(nuwa.watch('/d', { recursive: true, afterRevision: 1 }), () => false)),
    );
    for (const each of failed) expect(each).toMatchObject({ status: 'rejected', reason: { code: 'Compacted' } });
    expect(group.calls('get') - before).toBeLessThan(10);
  });
});

describe('follow', () => {
  /** Keeps the picture of a directory as anybody would. */
  async function picture(client: NuwaClient, path: string, recursive: boolean, signal: AbortSignal) {
    const nodes = new Map<string, string>();
    const kinds: string[] = [];
    const run = (async () => {
      for await (const news of client.follow(path, { recursive, signal })) {
        kinds.push(news.kind);
        if (news.kind === 'snapshot') {
          nodes.clear();
          for (const node of news.nodes) nodes.set(node.path, text(node.value));
        } else if (news.event.kind === 'deleted') nodes.delete(news.event.path);
        else nodes.set(news.event.path, text(news.event.value!));
      }
    })();
    return { nodes, kinds, run };
  }

  test.each([false, true])(
    'gives what is there, then what changes (recursive %s), and a directory that is not there is empty',
    async (recursive) => {
      const stop = new AbortController();
      const { nodes, kinds, run } = await picture(nuwa, '/d', recursive, stop.signal);
      await expect.poll(() => kinds).toEqual(['snapshot']);
      expect(nodes.size).toBe(0);
      await nuwa.create('/d/a/b', bytes('B'), { parents: true });
      await nuwa.create('/da', bytes('not below'));
      await nuwa.set('/d/a', bytes('A'));
      const wanted: [string, string][] = [['/d', ''], ['/d/a', 'A'], ...(recursive ? [['/d/a/b', 'B'] as [string, string]] : [])]; // biome-ignore format: one row
      await expect.poll(() => [...nodes]).toEqual(wanted);
      const late = await picture(nuwa, '/d', recursive, stop.signal);
      await expect.poll(() => [...late.nodes]).toEqual(wanted);
      await nuwa.delete('/d', { recursive: true });
      await expect.poll(() => [nodes.size, late.nodes.size]).toEqual([0, 0]);
      stop.abort();
      await Promise.all([run, late.run]);
    },
  );

  test('of a path that is none fails; of a client that closes ends', async () => {
    await expect(nuwa.follow('none')[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'BadPath' });
    const other = await group.client();
    const news = other.follow('/')[Symbol.asyncIterator]();
    await news.next();
    const next = news.next();
    await other.close();
    expect(await next).toMatchObject({ done: true });
  });

  test('begins anew with a snapshot when changes were missed, and outlasts an outage', { timeout: 30_000 }, async () => {
    await group.close();
    group = await MemoryGroup.start(3, { eventsMax: 5 });
    nuwa = await group.client();
    const stop = new AbortController();
    await nuwa.create('/d', bytes(''));
    const { nodes, kinds, run } = await picture(nuwa, '/d', true, stop.signal);
    await expect.poll(() => group.waiting).toBe(1);
    for (const server of group.servers) server.fate = () => 'refuse';
    await Promise.all(group.servers.map((server) => server.kill()));
    for (let i = 0; i < 20; i++)
      group.append({ kind: 'create', session: nuwa.session.id, request: 0, settled: 0, path: `/d/${i}`, value: bytes(`${i}`) });
    await Promise.all(group.servers.map((server) => server.restart()));
    for (const server of group.servers) server.fate = () => undefined;
    await expect.poll(() => nodes.size, { timeout: 15_000 }).toBe(21);
    expect(kinds).toEqual(['snapshot', 'snapshot']);
    await nuwa.delete('/d/7');
    await expect.poll(() => nodes.size).toBe(20);
    stop.abort();
    await run;
  });

  test('is whole at the end, and never goes back, while the directory changes under the reading of it', { timeout: 60_000 }, async () => {
    await group.close();
    group = await MemoryGroup.start(1, { pageBytes: 1_200 });
    nuwa = await group.client();
    for (let seed = 1; seed <= 8; seed++) {
      const random = seededRandom(seed);
      const root = `/r${seed}`;
      await nuwa.create(root, bytes(''));
      for (let i = 0; i < 20; i++) await nuwa.create(`${root}/${i}`, bytes('0'));
      const stop = new AbortController();
      const versions = new Map<string, number>();
      let wentBack = 0;
      const run = (async () => {
        for await (const news of nuwa.follow(root, { recursive: true, signal: stop.signal })) {
          const seen =
            news.kind === 'snapshot'
              ? news.nodes.map(({ path, modifyRevision }) => [path, modifyRevision] as const)
              : [[news.event.path, news.event.revision] as const];
          for (const [path, revision] of seen) {
            if (revision < (versions.get(path) ?? 0)) wentBack++;
            versions.set(path, revision);
          }
          if (news.kind === 'event' && news.event.kind === 'deleted') versions.set(news.event.path, -news.event.revision);
        }
      })();
      for (let i = 0; i < 60; i++) {
        const path = `${root}/${random.int(20)}`;
        const step = random.int(3);
        const change =
          step === 0
            ? nuwa.delete(path, { recursive: true })
            : step === 1
              ? nuwa.create(path, bytes(`${i}`))
              : nuwa.set(path, bytes(`${i}`));
        await change.catch(() => {});
      }
      const { children } = await nuwa.list(root);
      const there = (): [string, number][] => [...versions].filter(([path, revision]) => revision > 0 && path !== root).sort();
      const wanted = children.map(({ path, modifyRevision }): [string, number] => [path, modifyRevision]).sort();
      await expect.poll(there, { message: `seed ${seed}` }).toEqual(wanted);
      expect(wentBack, `seed ${seed}`).toBe(0);
      stop.abort();
      await run;
    }
  });
});
