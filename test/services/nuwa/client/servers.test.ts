import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { NuwaClient, NuwaSession } from '../../../../services/nuwa/contract.ts';
import { bytes } from '../core/tree/script.ts';
import { MemoryGroup } from './memory-group.ts';

let group: MemoryGroup;
beforeEach(async () => {
  group = await MemoryGroup.start(3);
});
afterEach(() => group.close());

const becomes = (client: NuwaClient, wanted: NuwaSession['state']): Promise<void> =>
  new Promise((resolve) => client.session.onState((state) => state === wanted && resolve()));

describe('a client of several servers', () => {
  test('asks one as long as it answers, and another when it is gone, refuses or stands still', async () => {
    const client = await group.client();
    await client.create('/a', bytes(''));
    const first = await group.serverOf(client);
    for (let i = 0; i < 5; i++) expect(await group.serverOf(client)).toBe(first);

    await first.kill();
    const second = await group.serverOf(client);
    expect(second).not.toBe(first);
    await first.restart();
    expect(await group.serverOf(client)).toBe(second); // it does not go back

    second.fate = () => 'refuse';
    const third = await group.serverOf(client);
    expect(third).not.toBe(second);
    second.fate = () => undefined;

    third.fate = () => 'hang';
    const startedAtMs = performance.now();
    expect((await client.get('/a')).path).toBe('/a');
    expect(performance.now() - startedAtMs).toBeLessThan(8_000);
    expect(await group.serverOf(client)).not.toBe(third);
  });

  test('makes one change of a request whose reply was lost, at whichever server it asks again', async () => {
    const client = await group.client();
    await client.create('/q', bytes(''));
    for (let i = 0; i < 4; i++) {
      const at = await group.serverOf(client);
      let lost = 0;
      at.fate = (method) => (method !== 'get' && lost++ === 0 ? 'loseReply' : undefined);
      expect((await client.create('/q/n-', bytes(''), { sequential: true })).path).toBe(`/q/n-${String(i).padStart(10, '0')}`);
      expect(lost).toBeGreaterThan(0);
      at.fate = () => undefined;
    }
    expect((await client.list('/q')).children).toHaveLength(4);
  });

  test('keeps its session while servers come and go, and tells of jeopardy and of being live again', async () => {
    const client = await group.client({ ttlMs: 600 });
    const states: NuwaSession['state'][] = [];
    client.session.onState((state) => states.push(state));
    for (const server of group.servers) {
      await server.kill();
      await client.get('/');
      await server.restart();
    }
    expect([client.session.state, states]).toEqual(['live', []]);
    const jeopardy = becomes(client, 'jeopardy');
    for (const server of group.servers) server.fate = () => 'refuse';
    await jeopardy;
    const live = becomes(client, 'live');
    for (const server of group.servers) server.fate = () => undefined;
    await live;
    expect(states).toEqual(['jeopardy', 'live']);
  });

  test('whose server stands still keeps its session by asking another in time, without jeopardy', async () => {
    const client = await group.client({ ttlMs: 3_000 });
    const states: NuwaSession['state'][] = [];
    client.session.onState((state) => states.push(state));
    const hung = await group.serverOf(client);
    hung.fate = () => 'hang';
    const asked = group.calls('keepAlive');
    await expect.poll(() => group.calls('keepAlive'), { timeout: 10_000 }).toBeGreaterThan(asked + 2);
    expect([states, client.session.state]).toEqual([[], 'live']);
  });

  test('hears that its session expired, and makes what no session owns under the next', async () => {
    const client = await group.client({ ttlMs: 300 });
    const expired = becomes(client, 'expired');
    group.expire(client.session.id);
    await expired;
    await expect(client.create('/e', bytes(''), { ephemeral: true })).rejects.toMatchObject({ code: 'NoSession' });
    await expect(client.transact([{ kind: 'create', path: '/e', value: bytes(''), ephemeral: true }])).rejects.toMatchObject({
      code: 'NoSession',
    });
    await client.create('/p', bytes(''));
    expect((await client.transact([{ kind: 'set', path: '/p', value: bytes('x') }])).results).toHaveLength(1);
  });
});

describe('what a client asks for', () => {
  test('transactions are done as a whole, and say which operation did not hold', async () => {
    const client = await group.client();
    const made = await client.transact([
      { kind: 'check', path: '/a', absent: true },
      { kind: 'create', path: '/a', value: bytes('') },
      { kind: 'create', path: '/a/n-', value: bytes('v'), sequential: true },
      { kind: 'set', path: '/a', value: bytes('w'), version: 0 },
    ]);
    expect(made.results.map(({ path, version }) => path ?? version)).toEqual([undefined, '/a', '/a/n-0000000000', 1]);
    const again = client.transact([
      { kind: 'set', path: '/a', value: bytes('x') },
      { kind: 'check', path: '/a', version: 1 },
    ]);
    await expect(again).rejects.toMatchObject({ code: 'Conflict', details: { operation: 1 } });
    expect((await client.get('/a')).version).toBe(1);
  });

  test('pages of a directory come in order, of the size asked for', async () => {
    const client = await group.client();
    for (const name of ['a', 'b', 'c', 'd', 'e']) await client.create(`/${name}`, bytes(''));
    const pages: string[][] = [];
    let after: string | undefined;
    do {
      const page = await client.listPage('/', { limit: 2, after });
      pages.push(page.children.map(({ path }) => path));
      after = page.next;
    } while (after !== undefined);
    expect(pages).toEqual([['/a', '/b'], ['/c', '/d'], ['/e']]);
  });

  test('stale reads are answered by a server that is behind, others wait for it', async () => {
    const client = await group.client();
    await client.create('/a', bytes('old'));
    const behind = await group.serverOf(client);
    behind.lagging = true;
    group.append({ kind: 'set', session: client.session.id, request: 0, settled: 0, path: '/a', value: bytes('new') });
    expect((await client.get('/a', { stale: true })).version).toBe(0);
    const read = client.get('/a');
    behind.lagging = false;
    behind.catchUp();
    expect((await read).version).toBe(1);
  });
});
