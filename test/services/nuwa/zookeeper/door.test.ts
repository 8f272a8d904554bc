import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import { ERRORS, EVENTS, OPS } from '../../../../services/nuwa/zookeeper/protocol.ts';
import type { Writer } from '../../../../services/nuwa/zookeeper/wire.ts';
import { Harness } from '../harness.ts';
import { openDoors } from './doors.ts';
import { figure, fourLetters, ZkClient } from './zk-client.ts';

describe('the ZooKeeper door of three servers', () => {
  const harness = new Harness();
  let doors: string[];

  beforeAll(async () => {
    doors = await openDoors(harness, 3);
  });
  afterAll(() => harness.close());

  async function client(door = 0, options: Parameters<ZkClient['connect']>[0] = {}): Promise<ZkClient> {
    const made = new ZkClient(doors[door]!);
    harness.onClose(() => made.end());
    expect(await made.connect(options)).toBe(true);
    return made;
  }

  test('answers the requests of a connection in their order, each seeing those before it', async () => {
    const zk = await client(1);
    await zk.create('/order', '0');
    const replies: Promise<{ xid: number; error: number; seen?: string }>[] = [];
    for (let i = 1; i <= 50; i++) {
      replies.push(zk.set('/order', String(i)).then(({ xid, error }) => ({ xid, error })));
      replies.push(zk.get('/order').then(({ xid, error, body }) => ({ xid, error, seen: body.buffer().toString() })));
    }
    const all = await Promise.all(replies);
    expect(all.every(({ error }) => error === 0)).toBe(true);
    expect(all.filter(({ seen }) => seen !== undefined).map(({ seen }) => seen)).toEqual(
      Array.from({ length: 50 }, (_, i) => String(i + 1)),
    );
    const order = zk.order.filter((each) => typeof each === 'number');
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });

  test('a read at one server sees what another acknowledged', async () => {
    const [a, b] = [await client(0), await client(2)];
    await a.create('/fresh', '');
    for (let i = 0; i < 50; i++) {
      await a.set('/fresh', String(i));
      expect((await b.get('/fresh')).body.buffer().toString()).toBe(String(i));
    }
  });

  test('tells of a change before any answer that shows it, and once', async () => {
    const [a, b] = [await client(0), await client(1)];
    await a.create('/watched', '0');
    await a.get('/watched', true);
    const changed = b.set('/watched', '1');
    const reads: Promise<{ xid: number; seen: string }>[] = [];
    for (let i = 0; i < 20; i++) reads.push(a.get('/watched').then(({ xid, body }) => ({ xid, seen: body.buffer().toString() })));
    await changed;
    reads.push(a.get('/watched').then(({ xid, body }) => ({ xid, seen: body.buffer().toString() })));
    const firstNew = (await Promise.all(reads)).find(({ seen }) => seen === '1')!;
    expect(a.order.findIndex((each) => typeof each === 'object')).toBeLessThan(a.order.indexOf(firstNew.xid));
    await b.set('/watched', '2');
    await a.get('/watched');
    expect(a.events).toEqual([{ type: EVENTS.changed, path: '/watched' }]);
  });

  test('persistent and recursive watches stay', async () => {
    const zk = await client(2);
    await zk.create('/p', '');
    for (const mode of [0, 1]) {
      await zk.request(OPS.addWatch, (writer) => {
        writer.string('/p');
        writer.int(mode);
      });
    }
    await zk.create('/p/a', '');
    await zk.set('/p/a', 'x');
    await zk.create('/p/b', '');
    expect(await zk.untilEvents(5)).toEqual([
      { type: EVENTS.created, path: '/p/a' },
      { type: EVENTS.children, path: '/p' },
      { type: EVENTS.changed, path: '/p/a' },
      { type: EVENTS.created, path: '/p/b' },
      { type: EVENTS.children, path: '/p' },
    ]);
  });

  test('a session goes on at another server, with its password alone, and hears what it missed', async () => {
    const first = await client(0);
    await first.create('/mine', 'x', 1);
    await first.create('/seen', '0');
    const { zxid } = await first.get('/seen');
    const { sessionHex, password } = first;
    first.end();
    const other = await client(1);
    await other.set('/seen', '1');

    const wrong = new ZkClient(doors[2]!);
    expect(await wrong.connect({ sessionHex, password: Buffer.alloc(16, 1) })).toBe(false);
    await wrong.closed;

    const back = await client(2, { sessionHex, password });
    expect(back.sessionHex).toBe(sessionHex);
    const reply = await back.request(OPS.setWatches, (writer: Writer) => {
      writer.long(zxid);
      writer.vector(['/seen', '/mine'], (path) => writer.string(path));
      writer.vector([], () => {});
      writer.vector([], () => {});
    });
    expect(reply.error).toBe(0);
    expect(back.events).toEqual([{ type: EVENTS.changed, path: '/seen' }]);
    await back.request(OPS.closeSession);
    await back.closed;
    expect((await other.get('/mine')).error).toBe(ERRORS.noNode);
    expect(await new ZkClient(doors[0]!).connect({ sessionHex, password })).toBe(false);
  });

  test('a client that has seen more than there is, of another group, gets no session, be it new or back', async () => {
    const zk = await client(0);
    const { zxid } = await zk.create('/zxid', '');
    for (const session of [{}, { sessionHex: zk.sessionHex, password: zk.password }]) {
      const made = new ZkClient(doors[1]!);
      expect(await made.connect({ ...session, seenZxid: zxid + 1_000_000 })).toBe(false);
    }
    expect((await zk.get('/zxid')).error).toBe(ERRORS.ok);
    // What was seen at one server is there at all of them.
    await client(2, { seenZxid: zxid });
  });

  test('a session that nobody keeps alive ends with its nodes', async () => {
    const zk = await client(0, { timeoutMs: 1_000 });
    expect(zk.timeoutMs).toBe(1_000);
    await zk.create('/gone', '', 1);
    const other = await client(1);
    await other.request(OPS.exists, (writer) => {
      writer.string('/gone');
      writer.bool(true);
    });
    zk.end();
    expect(await other.untilEvents(1)).toEqual([{ type: EVENTS.deleted, path: '/gone' }]);
  });

  test('four-letter words answer as text', async () => {
    const ask = (word: string): Promise<string> => fourLetters(doors[0]!, word);
    expect(await ask('ruok')).toBe('imok');
    expect(await ask('mntr')).toMatch(/zk_server_state\t(leader|follower)\n/);
    const zk = await client(0);
    await zk.create('/measured', '');
    expect(await figure(doors[0]!, 'zk_avg_latency')).toBeGreaterThan(0);
    expect(await figure(doors[0]!, 'zk_max_latency')).toBeGreaterThanOrEqual(await figure(doors[0]!, 'zk_min_latency'));
    const before = await figure(doors[0]!, 'zk_packets_received');
    zk.end();
    await zk.closed;
    expect(await figure(doors[0]!, 'zk_packets_received')).toBeGreaterThanOrEqual(before);
    expect(await ask('stat')).toMatch(/Latency min\/avg\/max: \d+\/\d+\.\d+\/\d+\n/);
    expect(await ask('stat')).toMatch(/^Zookeeper version: 3\.8.*\nClients:\n[\s\S]*Mode: (leader|follower)\n/);
  });

  test('a session is on one connection: the one that it left ends, at whichever server, and changes over it are not made', async () => {
    const left = await client(0, { timeoutMs: 60_000 });
    await left.create('/moving', '0');
    const { sessionHex, password } = left;
    const next = await client(1, { sessionHex, password });
    await left.closed;
    const third = await client(1, { sessionHex, password });
    await next.closed;
    expect((await third.get('/moving')).error).toBe(0);
  });

  test('what is refused has a code, and the connection goes on', async () => {
    const zk = await client(0);
    expect((await zk.create('no-slash', '')).error).toBe(ERRORS.badArguments);
    expect((await zk.create('/a//b', '')).error).toBe(ERRORS.badArguments);
    expect((await zk.create('/not/there', '')).error).toBe(ERRORS.noNode);
    expect((await zk.create('/modes', '', 99)).error).toBe(ERRORS.badArguments);
    expect((await zk.create('/large', 'x'.repeat(1_048_577))).error).toBe(ERRORS.badArguments);
    expect((await zk.create('/large', 'x'.repeat(1_048_576))).error).toBe(0);
    expect((await zk.request(77)).error).toBe(ERRORS.unimplemented);
    expect((await zk.set('/large', '', 7)).error).toBe(ERRORS.badVersion);
    expect((await zk.get('/large')).error).toBe(0);
  });

  test('whatever comes over the wire, the server lives and other clients hear nothing of it', async () => {
    const seed = Number(process.env.SEED ?? 1 + Math.floor(Math.random() * 2 ** 30));
    const random = seededRandom(seed);
    const witness = await client(1, { timeoutMs: 60_000 });
    await witness.create('/witness', 'here');
    const bytes = (count: number): Buffer => Buffer.from(Array.from({ length: count }, () => random.int(256)));
    const ending: Promise<void>[] = [];
    for (let round = 0; round < 60; round++) {
      const zk = new ZkClient(doors[1]!);
      const connected = random.int(3) > 0 && (await zk.connect());
      for (let packet = 0; packet < 1 + random.int(8); packet++) {
        const body = random.int(3) === 0 ? bytes(random.int(200)) : mutated(random, packet);
        const head = Buffer.alloc(4);
        const lies = random.int(6) === 0;
        head.writeInt32BE(lies ? random.int(2 ** 31) - (random.int(2) ? 2 ** 31 : 0) : body.length);
        zk.raw(Buffer.concat([head, body]).subarray(0, random.int(5) === 0 ? random.int(4 + body.length) : undefined));
      }
      if (connected && random.int(2) === 0) void zk.get('/witness');
      // All that was sent is read before the end of it is seen.
      if (random.int(4) === 0) zk.end();
      else ending.push(zk.finish());
      if (round % 20 === 19) expect((await witness.get('/witness')).body.buffer().toString(), `seed ${seed}, round ${round}`).toBe('here');
    }
    await Promise.all(ending);
    expect((await (await client(1)).get('/witness')).error, `seed ${seed}`).toBe(0);
  });

  test('a flood of connections is bounded, and those that are open go on', async () => {
    const alone = new Harness();
    onTestFinished(() => alone.close());
    const [limited] = await openDoors(alone, 1, { connectionsMax: 50 });
    const clients = Array.from({ length: 200 }, () => new ZkClient(limited!));
    const open = await Promise.all(clients.map((each) => each.connect()));
    const count = open.filter(Boolean).length;
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThanOrEqual(50);
    const first = clients[open.indexOf(true)]!;
    expect((await first.create('/still', '')).error).toBe(0);
    for (const each of clients) each.end();
  });
});

/** A request that is nearly right. */
function mutated(random: ReturnType<typeof seededRandom>, xid: number): Buffer {
  const ops = Object.values(OPS).filter((op) => op !== OPS.closeSession);
  const path = Buffer.from(['/other/x', '/', '/other', '//', '/\0', ''][random.int(6)]!);
  const body = Buffer.alloc(64 + path.length);
  body.writeInt32BE(xid, 0);
  body.writeInt32BE(ops[random.int(ops.length)]!, 4);
  body.writeInt32BE(random.int(8) === 0 ? random.int(2 ** 31) : path.length, 8);
  path.copy(body, 12);
  for (let flips = random.int(6); flips > 0; flips--) body[12 + path.length + random.int(52)] = random.int(256);
  return body;
}
