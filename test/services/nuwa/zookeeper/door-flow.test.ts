import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ERRORS, OPS } from '../../../../services/nuwa/zookeeper/protocol.ts';
import type { Writer } from '../../../../services/nuwa/zookeeper/wire.ts';
import { Harness } from '../harness.ts';
import { openDoors, openHeldDoor } from './doors.ts';
import { figure, ZkClient } from './zk-client.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
/** What comes with one read from a socket, which is handled whole. */
const ONE_READ = 64 * KIB + 1_024;

describe('what a door holds for clients is bounded', () => {
  let harness: Harness;
  beforeEach(() => {
    harness = new Harness();
  });
  afterEach(() => harness.close());

  async function client(address: string, options: Parameters<ZkClient['connect']>[0] = {}): Promise<ZkClient> {
    const made = new ZkClient(address);
    harness.onClose(() => made.end());
    expect(await made.connect({ timeoutMs: 60_000, ...options })).toBe(true);
    return made;
  }
  const heldBytes = (address: string): Promise<number> => figure(address, 'zk_held_request_bytes');
  const connections = (address: string): Promise<number> => figure(address, 'zk_num_alive_connections');

  test('a client that asks faster than it is answered is not read from past its bytes, and all of it is done in the end', async () => {
    const { address, held } = await openHeldDoor(harness, { flow: { heldBytesMax: MIB } });
    const zk = await client(address);
    await zk.create('/n', '');
    held.hold({ changes: true });
    const value = 'x'.repeat(100 * KIB);
    const replies = Array.from({ length: 200 }, () => zk.set('/n', value));
    await vi.waitFor(async () => expect(await heldBytes(address)).toBeGreaterThan(MIB));
    for (let i = 0; i < 10; i++) expect(await heldBytes(address)).toBeLessThan(MIB + 2 * ONE_READ + value.length);
    held.release();
    expect((await Promise.all(replies)).every(({ error }) => error === 0)).toBe(true);
    expect(await heldBytes(address)).toBe(0);
  });

  test('a client that is not read from keeps its session', async () => {
    const { address, held } = await openHeldDoor(harness, { flow: { heldBytesMax: 10 * KIB } });
    const silent = await client(address, { timeoutMs: 1_800 });
    const zk = await client(address, { timeoutMs: 1_000 });
    await zk.create('/mine', '', 1);
    held.hold({ changes: true });
    const replies = Array.from({ length: 20 }, () => zk.set('/mine', 'x'.repeat(KIB)));
    await vi.waitFor(async () => expect(await heldBytes(address)).toBeGreaterThan(10 * KIB));
    // One whose client says nothing is over by then, though it may be silent for longer.
    await silent.closed;
    held.release();
    expect((await Promise.all(replies)).every(({ error }) => error === 0)).toBe(true);
  });

  test('all clients together are not read from past the bytes of all, nobody starves, and a small request of another waits its turn', async () => {
    const { address, held } = await openHeldDoor(harness, { flow: { heldBytesMax: MIB, heldBytesAllMax: 2 * MIB } });
    const clients = await Promise.all(Array.from({ length: 10 }, () => client(address)));
    await clients[0]!.create('/n', '');
    held.hold({ changes: true });
    const value = 'x'.repeat(200 * KIB);
    const replies = clients.flatMap((zk) => Array.from({ length: 10 }, () => zk.set('/n', value)));
    await vi.waitFor(async () => expect(await heldBytes(address)).toBeGreaterThan(1.5 * MIB));
    for (let i = 0; i < 10; i++) expect(await heldBytes(address)).toBeLessThan(2 * MIB + 10 * ONE_READ);
    held.release();
    expect((await Promise.all(replies)).every(({ error }) => error === 0)).toBe(true);
    expect(await heldBytes(address)).toBe(0);
  });

  test('requests that are begun and not ended take room from nobody for long', async () => {
    const { address } = await openHeldDoor(harness, { flow: { heldBytesAllMax: 5 * MIB, requestMsMax: 200 } });
    const patient = await client(address);
    const begun = await Promise.all(Array.from({ length: 4 }, () => client(address)));
    const packet = Buffer.alloc(MIB);
    packet.writeInt32BE(2 * MIB, 0);
    for (const zk of begun) zk.raw(packet);
    await vi.waitFor(async () => expect(await heldBytes(address)).toBe(2 * (2 * MIB + 4)));
    // Larger than a read from a socket, so that it needs room, and there is none until those are gone.
    const reply = patient.create('/whole', 'x'.repeat(MIB));
    await Promise.all(begun.map((zk) => zk.closed));
    expect((await reply).error).toBe(0);
    expect(await heldBytes(address)).toBe(0);
  });

  test('a client that reads gets all that it asked for, however much', async () => {
    const [address] = await openDoors(harness, 1);
    const zk = await client(address!);
    await zk.create('/large', 'x'.repeat(MIB));
    const replies = await Promise.all(Array.from({ length: 40 }, () => zk.get('/large')));
    expect(replies.every(({ error, body }) => error === 0 && body.buffer().length === MIB)).toBe(true);
    expect(await figure(address!, 'zk_unread_answer_bytes')).toBe(0);
  });

  test('a client that reads nothing is given a few MiB of answers and no more, and is not kept for ever', async () => {
    const [address] = await openDoors(harness, 1, { flow: { unreadMsMax: 700 } });
    const zk = await client(address!);
    await zk.create('/large', 'x'.repeat(MIB));
    zk.pause();
    for (let i = 0; i < 1_000; i++) void zk.get('/large');
    await vi.waitFor(async () => expect(await figure(address!, 'zk_unread_answer_bytes')).toBeGreaterThan(3 * MIB));
    // Four and the last one that was given, beside what lies in the sockets.
    for (let i = 0; i < 10; i++) expect(await figure(address!, 'zk_unread_answer_bytes')).toBeLessThan(7 * MIB);
    await vi.waitFor(async () => expect(await connections(address!)).toBe(1), { timeout: 5_000 });
    expect(await figure(address!, 'zk_unread_answer_bytes')).toBe(0);
    zk.resume();
    await zk.closed;
  });

  test('a client that is told of changes and does not read them is not kept either', async () => {
    const [address] = await openDoors(harness, 1, { flow: { eventBytesMax: 20 * KIB } });
    const [zk, other] = [await client(address!), await client(address!)];
    await zk.create('/large', 'x'.repeat(MIB));
    await zk.request(OPS.addWatch, (writer) => {
      writer.string('/large');
      writer.int(0);
    });
    zk.pause();
    for (let i = 0; i < 30; i++) void zk.get('/large');
    await vi.waitFor(async () => expect(await figure(address!, 'zk_unread_answer_bytes')).toBeGreaterThan(3 * MIB));
    const changes = Array.from({ length: 1_000 }, () => other.set('/large', ''));
    await vi.waitFor(async () => expect(await connections(address!)).toBe(2), { timeout: 5_000 });
    expect((await Promise.all(changes)).every(({ error }) => error === 0)).toBe(true);
  });

  test('watches past the most there may be are refused with a code, and those of a client that is back end its connection', async () => {
    const [address] = await openDoors(harness, 1, { watches: { watchesMax: 3, pathBytesMax: 400 } });
    const zk = await client(address!);
    await zk.create('/n', '');
    const watch = (op: number, path: string) =>
      zk.request(op, (writer) => {
        writer.string(path);
        writer.bool(true);
      });
    expect((await watch(OPS.getData, '/n')).error).toBe(0);
    expect((await watch(OPS.exists, '/later')).error).toBe(ERRORS.noNode);
    expect((await watch(OPS.exists, `/${'x'.repeat(250)}`)).error).toBe(ERRORS.quotaExceeded);
    expect((await watch(OPS.getChildren, '/n')).error).toBe(0);
    expect((await watch(OPS.exists, '/fourth')).error).toBe(ERRORS.quotaExceeded);
    expect((await watch(OPS.getData, '/n')).error).toBe(0);
    const add = (writer: Writer): void => {
      writer.string('/n');
      writer.int(1);
    };
    expect((await zk.request(OPS.addWatch, add)).error).toBe(ERRORS.quotaExceeded);
    await zk.set('/n', 'fires one');
    expect((await zk.request(OPS.addWatch, add)).error).toBe(0);

    const back = await client(address!, { sessionHex: zk.sessionHex, password: zk.password });
    await zk.closed;
    expect(await figure(address!, 'zk_watch_count')).toBe(0);
    void back.request(OPS.setWatches, (writer) => {
      writer.long(0);
      writer.vector([], () => {});
      writer.vector(['/1', '/2', '/3', '/4'], (path) => writer.string(path));
      writer.vector([], () => {});
    });
    await back.closed;
  });
});

describe('a door whose reads are local', () => {
  test('asks the group for sync, and reads after it on the same connection wait for that', async () => {
    const harness = new Harness();
    try {
      const { address, held } = await openHeldDoor(harness, { reads: 'local' });
      const zk = new ZkClient(address);
      await zk.connect();
      await zk.create('/n', '0');
      expect((await zk.get('/n')).error).toBe(0);
      expect(held.readsAsked).toBe(0);
      held.hold({ reads: true });
      const answered: string[] = [];
      const first = zk.get('/n').then(() => answered.push('before'));
      const sync = zk.request(OPS.sync, (writer) => writer.string('/n')).then(() => answered.push('sync'));
      const second = zk.get('/n').then(() => answered.push('after'));
      await first;
      await figure(address, 'zk_uptime');
      expect(answered).toEqual(['before']);
      expect(held.readsAsked).toBe(1);
      held.release();
      await Promise.all([sync, second]);
      expect(answered).toEqual(['before', 'sync', 'after']);
      zk.end();
    } finally {
      await harness.close();
    }
  });
});
