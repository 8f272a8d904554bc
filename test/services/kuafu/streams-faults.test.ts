import { afterEach, describe, expect, test } from 'vitest';
import { type Clock, ManualClock, systemClock } from '../../../services/base/clock.ts';
import { seededRandom } from '../../../services/base/random.ts';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import { KuafuError } from '../../../services/kuafu/contract.ts';
import { totals } from '../../../services/kuafu/meter.ts';
import { serve } from '../../../services/kuafu/server.ts';
import { type FaultOptions, SeededFaults } from '../../../services/kuafu/transports/faults.ts';
import { MemoryNetwork } from '../../../services/kuafu/transports/memory.ts';
import { StreamerHandlers, streamerService } from './streamer.ts';

/** Over a network that loses, doubles, delays and reorders, a stream gives its exact beginning, and all of it unless it says that it failed. */
const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  expect(totals).toMatchObject({ callsInFlight: 0, unreadBytes: 0 });
});

async function setUp(seed: number, options: FaultOptions, clock: Clock = systemClock) {
  const faults = new SeededFaults(seededRandom(seed), options);
  const network = new MemoryNetwork({ faults, clock });
  const handlers = new StreamerHandlers();
  const server = await serve({
    address: 'mem://s',
    implementations: [handlers.implementation()],
    transports: { mem: network.transport('s') },
    clock,
  });
  const client = createKuafuClient({ transports: { mem: network.transport('c') }, random: seededRandom(seed), clock });
  stops.push(async () => {
    for (const { release } of handlers.waiting.values()) release();
    await client.close();
    await server.close({ graceMs: 0 });
    await handlers.untilEnded(handlers.opened);
  });
  return { faults, network, handlers, streamer: client.service(streamerService, 'mem://s') };
}

/** Lets virtual time pass until the work is done. */
async function pass<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  let settled = false;
  work.then(
    () => (settled = true),
    () => (settled = true),
  );
  while (!settled) {
    for (let turn = 0; turn < 4; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
    clock.advance(5);
  }
  return work;
}

const COUNT = 60;
const LOSSY: [string, FaultOptions, complete: 'all' | 'some' | 'any'][] = [
  ['doubled', { duplicate: 0.5 }, 'all'],
  ['delayed alike and doubled', { duplicate: 0.3, delayMs: [3, 3] }, 'all'],
  ['now and then lost', { drop: 0.005 }, 'some'],
  ['often lost, doubled, late and reordered', { drop: 0.05, duplicate: 0.2, delayMs: [0, 3], reorder: 0.1, reorderMs: 20 }, 'any'],
];

describe.each(LOSSY)('messages %s', (_name, faults, complete) => {
  test.each([1, 2, 3, 4])('arrive in order and whole up to where the stream fails (seed %i)', async (seed) => {
    const clock = new ManualClock();
    const { streamer } = await setUp(seed, faults, clock);
    const streams = Array.from({ length: 12 }, async (_, n) => {
      const call = streamer.mirror(undefined, { timeoutMs: 2_000 });
      const sending = (async () => {
        for (let i = 0; i < COUNT; i++) await call.send([n, i], Buffer.alloc(i % 7 === 0 ? 40_000 : 10, i));
        call.end();
      })();
      sending.catch(() => {});
      let got = 0;
      let failure: unknown;
      try {
        for await (const { body, attachment } of call) {
          expect(body).toEqual([n, got]);
          expect(attachment.every((byte) => byte === got)).toBe(true);
          got++;
        }
        expect(await call.reply).toEqual({ messages: COUNT });
        expect(got).toBe(COUNT);
      } catch (error) {
        if (!(error instanceof KuafuError)) throw error;
        failure = error;
        expect(['Unavailable', 'DeadlineExceeded', 'Cancelled']).toContain(error.code);
        await expect(call.reply).rejects.toBe(error);
      }
      return failure === undefined;
    });
    const whole = (await pass(clock, Promise.all(streams))).filter(Boolean).length;
    if (complete === 'all') expect(whole).toBe(12);
    else if (complete === 'some') expect(whole).toBeGreaterThan(0);
  });
});

test('a lost message ends the stream at once, not at its deadline', async () => {
  const { streamer, faults, handlers } = await setUp(1, {});
  const call = streamer.sum({});
  await call.send({ i: 1 });
  await handlers.until(() => handlers.opened === 1);
  faults.options = { drop: 1 };
  await call.send({ i: 2 });
  faults.options = {};
  await call.send({ i: 3 });
  await expect(call.reply).rejects.toMatchObject({ code: 'Unavailable', reason: expect.stringMatching(/were lost/) });
  await handlers.untilEnded(1);
});

test('a lost last message is missed by the end, in both directions', async () => {
  const { streamer, faults, handlers } = await setUp(1, {});
  const call = streamer.sum({});
  await handlers.until(() => handlers.opened === 1);
  faults.options = { drop: 1 };
  await call.send({ i: 1 });
  faults.options = {};
  call.end();
  await expect(call.reply).rejects.toMatchObject({ code: 'Unavailable' });
  const down = streamer.deaf({ name: 'a' });
  await handlers.untilWaiting('a');
  const { context, release } = handlers.waiting.get('a')!;
  faults.options = { drop: 1 };
  await context.send({ i: 1 } as never);
  faults.options = {};
  release();
  await expect(down.reply).rejects.toMatchObject({ code: 'Unavailable', reason: expect.stringMatching(/were lost/) });
});

test('a lost grant of credit is made good by the next', async () => {
  const clock = new ManualClock();
  const { streamer, faults } = await setUp(7, {}, clock);
  // Grants go from the server alone; every third is lost.
  let grants = 0;
  const fate = faults.fate.bind(faults);
  faults.fate = (from, to) => (from === 's' && grants++ % 3 === 1 ? [] : fate(from, to));
  const call = streamer.sum({}, { timeoutMs: 5_000 });
  const sending = (async () => {
    for (let i = 0; i < 40; i++) await call.send({ i }, Buffer.alloc(60_000));
    call.end();
  })();
  await pass(clock, sending);
  expect(grants).toBeGreaterThan(3);
});

test('across a partition a stream runs out of time, at both ends', async () => {
  const clock = new ManualClock();
  const { streamer, faults, handlers } = await setUp(1, {}, clock);
  const call = streamer.mirror(undefined, { timeoutMs: 1_000 });
  await call.send(1);
  await handlers.until(() => handlers.opened === 1);
  faults.partition('c', 's');
  await call.send(2);
  await expect(pass(clock, call.reply)).rejects.toMatchObject({ code: 'DeadlineExceeded' });
  await pass(clock, handlers.untilEnded(1));
  faults.heal();
});

test('a connection that falls silent breaks a stream without a deadline', async () => {
  const clock = new ManualClock();
  const { streamer, faults, handlers } = await setUp(1, {}, clock);
  const call = streamer.mirror();
  await call.send(1);
  await handlers.until(() => handlers.opened === 1);
  faults.partition('c', 's');
  await expect(pass(clock, call.reply)).rejects.toMatchObject({ code: 'Unavailable', reason: expect.stringMatching(/silent/) });
  await pass(clock, handlers.untilEnded(1));
  faults.heal();
});

test('a connection cut in mid-stream ends it at both ends; what came before is still read', async () => {
  const { streamer, network, handlers } = await setUp(1, {});
  const call = streamer.mirror();
  for (let i = 0; i < 3; i++) await call.send(i);
  const messages = call[Symbol.asyncIterator]();
  await messages.next();
  await new Promise<void>((resolve) => setImmediate(resolve));
  await new Promise<void>((resolve) => setImmediate(resolve));
  network.cut('c', 's');
  await expect(call.reply).rejects.toMatchObject({ code: 'Unavailable', reason: expect.stringMatching(/was cut/) });
  expect((await messages.next()).value?.body).toBe(1);
  expect((await messages.next()).value?.body).toBe(2);
  await expect(messages.next()).rejects.toMatchObject({ code: 'Unavailable' });
  expect(await messages.next()).toEqual({ done: true, value: undefined });
  await handlers.untilEnded(1);
  expect(await streamer.count({ to: 0 }).reply).toEqual({ sent: 0 });
});
