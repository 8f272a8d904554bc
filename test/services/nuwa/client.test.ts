import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectNuwa, joinCluster } from '../../../services/nuwa/client.ts';
import { CompactedError, type NuwaClient, NuwaError, type NuwaEvent, VALUE_BYTES_MAX } from '../../../services/nuwa/contract.ts';
import { bytes } from './core/tree/script.ts';
import { Harness, takeUntil, text } from './harness.ts';

let harness: Harness;
let address: string;
let nuwa: NuwaClient;

beforeEach(async () => {
  harness = new Harness();
  ({ address } = await harness.server());
  nuwa = await harness.client(address);
});
afterEach(() => harness.close());

describe('a client', () => {
  it('creates, reads, sets, lists and deletes', async () => {
    expect(await nuwa.create('/a/b', bytes('one'), { parents: true })).toEqual({ path: '/a/b', revision: 2 });
    expect(await nuwa.set('/a/b', bytes('two'), { version: 0 })).toEqual({ version: 1, revision: 3 });
    const node = await nuwa.get('/a/b');
    expect(node).toMatchObject({ path: '/a/b', version: 1, createRevision: 2, modifyRevision: 3, creator: 'test', childCount: 0 });
    expect(text(node.value)).toBe('two');
    expect(Math.abs(node.modifiedAtMs - Date.now())).toBeLessThan(60_000);
    await nuwa.create('/a/a', bytes('first'));
    const { children, revision } = await nuwa.list('/a');
    expect([children.map(({ path, value }) => [path, text(value)]), revision]).toEqual([[['/a/a', 'first'], ['/a/b', 'two']], 4]); // biome-ignore format: one row
    expect((await nuwa.get('/a')).childCount).toBe(2);
    expect(await nuwa.delete('/a', { recursive: true })).toEqual({ revision: 7 });
    expect((await nuwa.list('/')).children).toEqual([]);
  });

  it.each([
    ['get', () => nuwa.get('/none'), 'NoNode'],
    ['list', () => nuwa.list('/none'), 'NoNode'],
    ['get with a bad path', () => nuwa.get('none'), 'BadPath'],
    ['list with a bad path', () => nuwa.list('/a/'), 'BadPath'],
    ['create without a parent', () => nuwa.create('/x/y', bytes('')), 'NoNode'],
    ['create of the root', () => nuwa.create('/', bytes('')), 'NodeExists'],
    ['set of nothing', () => nuwa.set('/none', bytes('')), 'NoNode'],
    ['set of another version', () => nuwa.set('/', bytes(''), { version: 9 }), 'BadVersion'],
    ['delete of the root', () => nuwa.delete('/'), 'BadPath'],
    ['create under /zookeeper', () => nuwa.create('/zookeeper/x', bytes(''), { parents: true }), 'BadPath'],
    ['create of /zookeeper', () => nuwa.create('/zookeeper', bytes('')), 'BadPath'],
    ['a counter under /zookeeper', () => nuwa.create('/zookeeper/', bytes(''), { parents: true, sequential: true }), 'BadPath'],
    ['a transaction there', () => nuwa.transact([{ kind: 'create', path: '/zookeeper', value: bytes('') }]), 'BadPath'],
    ['create with null', () => nuwa.create('/null', null as unknown as Uint8Array), 'BadArguments'],
    ['set of a text', () => nuwa.set('/', 'text' as unknown as Uint8Array), 'BadArguments'],
    ['register of no address', () => nuwa.register('echo', 'junk', { address: 'garbage' }), 'BadArguments'],
    ['register of a name', () => nuwa.register('echo', 'junk', { address: 'nuwa://test/echo/' }), 'BadArguments'],
    ['register of two names', () => nuwa.register('a/b', 'c', { address: 'tcp://127.0.0.1:1' }), 'BadArguments'],
    ['register of no instance', () => nuwa.register('a', '', { address: 'tcp://127.0.0.1:1' }), 'BadArguments'],
    ['watch from a revision of another group', () => nuwa.watchOnce('/', { afterRevision: 1_000_000 }), 'Compacted'],
    ['watch of a bad path', () => takeUntil(nuwa.watch('none'), () => true), 'BadPath'],
  ])('%s fails with a typed error', async (_, call, code) => {
    const error = await (call() as Promise<unknown>).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(NuwaError);
    expect(error).toMatchObject({ code });
  });

  it('tells wrong arguments of any method as BadArguments, and asks no server', async () => {
    // biome-ignore lint/suspicious/noExplicitAny: callers whom no compiler told
    const wild = nuwa as any;
    const value = bytes('');
    const locks = [null, 7, { signal: {} }, { mode: 'loud' }, { holder: 1 }].map((options) => ['lock', '/l', options]);
    const operations = [
      null,
      {},
      'x',
      [null],
      [{ kind: 'toString', path: '/' }],
      [{ kind: 'set', path: '/' }],
      [{ kind: 'check', path: 1 }],
    ];
    const calls: [string, ...unknown[]][] = [
      ...['get', 'list', 'listPage', 'delete', 'watch', 'watchOnce', 'follow', 'observe', 'lock', 'barrier', 'sequence'].flatMap(
        (method): [string, ...unknown[]][] => [undefined, null, 7, {}].map((path) => [method, path]),
      ),
      ...['get', 'list', 'listPage', 'delete', 'watch', 'watchOnce', 'follow', 'observe'].map((method): [string, ...unknown[]] => [
        method,
        '/',
        null,
      ]),
      ...(locks as [string, ...unknown[]][]),
      ...operations.map((each): [string, ...unknown[]] => ['transact', each]),
      ['create', '/a', value, null],
      ['create', '/a', value, { ttlMs: '1s' }],
      ['set', '/', value, { version: 1.5 }],
      ['set', null, value],
      ['watch', '/', { afterRevision: '1' }],
      ['watchOnce', '/', { signal: new EventTarget() }],
      ['register', 'a', null, { address: 'tcp://127.0.0.1:1' }],
      ['register', 'a', 'b', null],
      ['register', 'a', 'b'],
      ['present', null, value],
      ['present', '/p', null],
      ['elect', '/e', null],
      ['elect', '/e', value, null],
      ['barrier', '/b', null],
      ['barrier', '/b', Symbol('parties')],
    ];
    for (const [method, ...args] of calls) {
      const called = await (async () => wild[method](...args))().catch((error: unknown) => error);
      expect(called, `${method}(${JSON.stringify(args)})`).toBeInstanceOf(NuwaError);
      expect(called, `${method}(${JSON.stringify(args)})`).toMatchObject({ code: 'BadArguments' });
    }
    for (const call of ['enter', 'leave']) await expect(wild.barrier('/b', 1)[call](null)).rejects.toMatchObject({ code: 'BadArguments' });
    expect(() => wild.session.onState(null)).toThrow(/BadArguments/);
    for (const options of [null, {}, { addresses: 'x' }, { addresses: [], cluster: 'test', creator: 'test' }])
      await expect(connectNuwa(options as never)).rejects.toMatchObject({ code: 'BadArguments' });
    for (const options of [undefined, null, {}, { nuwa: [], cluster: 'test', creator: 'test' }])
      await expect(joinCluster(options as never)).rejects.toMatchObject({ code: 'BadArguments' });
    expect((await nuwa.list('/')).children).toEqual([]);
  });

  it('that watches from a revision which the group never came to is told so, with a snapshot to begin anew from', async () => {
    await nuwa.create('/d', bytes('there'));
    const error = await nuwa.watchOnce('/d', { afterRevision: 1_000 }).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(CompactedError);
    expect(error).toMatchObject({ details: { revision: 1 }, snapshot: { revision: 1, nodes: [{ path: '/d' }] } });
    const next = nuwa.watchOnce('/d', { afterRevision: (error as CompactedError).snapshot.revision });
    await nuwa.set('/d', bytes('changed'));
    expect(await next).toMatchObject({ kind: 'changed', revision: 2 });
  });

  it('stores values of exactly 1 MiB, and not of one byte more', async () => {
    const value = new Uint8Array(VALUE_BYTES_MAX).map((_, i) => i);
    await nuwa.create('/big', value);
    await nuwa.set('/big', value);
    expect(Buffer.compare((await nuwa.get('/big')).value, value)).toBe(0);
    const over = new Uint8Array(VALUE_BYTES_MAX + 1);
    await expect(nuwa.create('/over', over)).rejects.toMatchObject({ code: 'ValueTooLarge' });
    await expect(nuwa.set('/big', over)).rejects.toMatchObject({ code: 'ValueTooLarge' });
    // Nor does a server take them from a client that does not look.
    const id = { session: nuwa.session.id, request: 100, settled: 1 };
    await expect(harness.rpc(address).create({ ...id, path: '/over', value: over })).rejects.toMatchObject({ code: 'ValueTooLarge' });
  });

  it('lists directories that are larger than one reply', async () => {
    const names = Array.from({ length: 10 }, (_, i) => `/n${i}`);
    await Promise.all(names.map((name, i) => nuwa.create(name, new Uint8Array(VALUE_BYTES_MAX).fill(i))));
    const { children, revision } = await nuwa.list('/');
    expect(children.map(({ path, value }) => [path, value.length, value[0]])).toEqual(names.map((name, i) => [name, VALUE_BYTES_MAX, i]));
    expect(revision).toBe(10);
    const seen = await takeUntil(nuwa.watch('/', { recursive: true, afterRevision: 0 }), (event) => event.revision === 10);
    expect(seen.map((event) => event.revision)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('counts sequential nodes and owns ephemeral ones until it closes', async () => {
    const other = await harness.client(address, { creator: 'other' });
    const made = await Promise.all([0, 1, 2].map(() => other.create('/q-', bytes(''), { sequential: true, ephemeral: true })));
    expect(made.map(({ path }) => path)).toEqual(['/q-0000000000', '/q-0000000001', '/q-0000000002']);
    expect((await nuwa.get('/q-0000000001')).ephemeralOwner).toBe(other.session.id);
    await other.close();
    expect((await nuwa.list('/')).children).toEqual([]);
  });

  it('is one change when its request comes twice, also at once', async () => {
    const rpc = harness.rpc(address);
    const request = { session: nuwa.session.id, request: 100, settled: 1, path: '/s-', value: bytes(''), sequential: true };
    const replies = await Promise.all([rpc.create(request), rpc.create(request)]);
    expect(await rpc.create(request)).toEqual(replies[0]);
    expect(replies[1]).toEqual(replies[0]);
    expect((await nuwa.list('/')).children.length).toBe(1);
  });

  it('makes thousands of changes at once without losing its place', async () => {
    const made = await Promise.all(Array.from({ length: 3_000 }, () => nuwa.create('/n-', bytes(''), { sequential: true })));
    expect(new Set(made.map(({ path }) => path)).size).toBe(3_000);
    expect((await nuwa.list('/')).children.length).toBe(3_000);
  });
});

describe('a watch', () => {
  it('tells from the call on, in order, what happens to a node or below it', async () => {
    await nuwa.create('/a', bytes('before'));
    const node = nuwa.watch('/a');
    const below = nuwa.watch('/a', { recursive: true });
    await nuwa.get('/a'); // the watches' first questions were sent before this
    await nuwa.create('/ab', bytes(''));
    await nuwa.create('/a/x', bytes('X'));
    await nuwa.set('/a', bytes('changed'));
    await nuwa.delete('/a', { recursive: true });
    const told = async (watch: AsyncIterable<NuwaEvent>) =>
      (await takeUntil(watch, ({ kind, path }) => kind === 'deleted' && path === '/a')).map(
        ({ kind, path, revision, value }) => `${kind} ${path}@${revision} ${value ? text(value) : '-'}`,
      );
    expect(await told(node)).toEqual(['changed /a@4 changed', 'deleted /a@6 -']);
    expect(await told(below)).toEqual(['created /a/x@3 X', 'changed /a@4 changed', 'deleted /a/x@5 -', 'deleted /a@6 -']);
  });

  it('waits for what is still to come, and ends without an error when its signal aborts or its client closes', async () => {
    const stop = new AbortController();
    const other = await harness.client(address);
    const aborted = nuwa.watch('/a', { afterRevision: 0, signal: stop.signal })[Symbol.asyncIterator]();
    const closed = other.watch('/a', { afterRevision: 0 })[Symbol.asyncIterator]();
    const firsts = [aborted.next(), closed.next()];
    await nuwa.create('/a', bytes(''));
    for (const first of await Promise.all(firsts)) expect(first).toMatchObject({ done: false, value: { path: '/a', revision: 1 } });
    const seconds = [aborted.next(), closed.next()];
    stop.abort();
    await other.close();
    expect(await Promise.all(seconds)).toEqual([{ done: true }, { done: true }]);
  });

  it('of changes that are no longer kept says so, with the oldest one kept', async () => {
    await harness.close();
    harness = new Harness();
    const server = await harness.server({ ring: { eventsMax: 5, bytesMax: 1_000 } });
    nuwa = await harness.client(server.address);
    for (let i = 0; i < 8; i++) await nuwa.create(`/n${i}`, bytes(''));
    const take = (afterRevision: number) =>
      takeUntil(nuwa.watch('/', { recursive: true, afterRevision }), ({ revision }) => revision === 8);
    await expect(take(2)).rejects.toMatchObject({ code: 'Compacted', details: { oldestRevision: 4 } });
    expect((await take(3)).map(({ revision }) => revision)).toEqual([4, 5, 6, 7, 8]);
  });
});
