import { createHash, randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import type { KuafuClient, KuafuServer, ServiceClient } from '../../../services/kuafu/contract.ts';
import { MESSAGE_BYTES_MAX, WINDOW_BYTES_MAX } from '../../../services/kuafu/core/credit.ts';
import { WINDOW_BYTES } from '../../../services/kuafu/core/messages.ts';
import { meters, totals } from '../../../services/kuafu/meter.ts';
import { serve } from '../../../services/kuafu/server.ts';
import { QUEUED_BYTES_MAX } from '../../../services/kuafu/streams/outgoing.ts';
import type { TlsMaterial } from '../../../services/kuafu/tls-contract.ts';
import { StreamerError, StreamerHandlers, streamerService } from './streamer.ts';

/** What streams promise, over any transport. `listen`: an address nobody listens at yet. */
export function describeStreams(name: string, listen: () => string, tls?: TlsMaterial, proxy?: string): void {
  describe(`streams over ${name}`, () => {
    let handlers: StreamerHandlers;
    let server: KuafuServer;
    let client: KuafuClient;
    let streamer: ServiceClient<typeof streamerService>;

    beforeEach(async () => {
      handlers = new StreamerHandlers();
      server = await serve({ guard: 'none', tls, address: listen(), implementations: [handlers.implementation()] });
      client = createKuafuClient({ tls, proxy });
      streamer = client.service(streamerService, server.address);
    });

    afterEach(async () => {
      // Nothing is left behind: handlers have ended, and a connection whose calls are all forgotten closes by itself long before the grace.
      for (const { release } of handlers.waiting.values()) release();
      await handlers.untilEnded(handlers.opened);
      const startMs = performance.now();
      await server.close({ graceMs: 20_000 });
      expect(performance.now() - startMs).toBeLessThan(5_000);
      await client.close();
      expect(totals).toMatchObject({ callsInFlight: 0, unreadBytes: 0, clientConnections: 0, serverConnections: 0 });
      expect(meters.filter(({ creditWaiting }) => creditWaiting !== 0)).toEqual([]);
    });

    test('a caller sends many messages and gets one reply', async () => {
      const call = streamer.sum({});
      for (let i = 1; i <= 1_000; i++) await call.send({ i });
      call.end();
      expect(await call.reply).toEqual({ sum: 500_500, messages: 1_000, bytes: 0 });
      expect(await drain(call)).toEqual([]);
    });

    test('a handler sends many messages, then its reply', async () => {
      const call = streamer.count({ to: 1_000 });
      const got: number[] = [];
      for await (const { body } of call) got.push(body.i);
      expect(got).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
      expect(await call.reply).toEqual({ sent: 1_000 });
    });

    test('messages go both ways at once, each with its body and its attachment', async () => {
      const call = streamer.mirror();
      const sizes = [0, 1, 4_096, 65_535, 65_536, 300_000, 1_048_576, 3 * 1024 * 1024, 17];
      const attachments = sizes.map((bytes) => randomBytes(bytes));
      const sending = (async () => {
        for (const [i, attachment] of attachments.entries())
          await call.send({ i, deep: { list: [i] } }, i % 2 ? attachment : [attachment.subarray(0, 3), attachment.subarray(3)]);
        call.end();
      })();
      let i = 0;
      for await (const { body, attachment } of call) {
        expect(body).toEqual({ i, deep: { list: [i] } });
        expect(attachment.equals(attachments[i++]!)).toBe(true);
      }
      await sending;
      expect(await call.reply).toEqual({ messages: sizes.length });
    });

    test('a conversation: each message answers the one before', async () => {
      const call = streamer.mirror();
      const answers = call[Symbol.asyncIterator]();
      for (let i = 0; i < 100; i++) {
        await call.send(i);
        expect((await answers.next()).value?.body).toBe(i);
      }
      call.end();
      expect(await answers.next()).toEqual({ done: true, value: undefined });
      expect(await call.reply).toEqual({ messages: 100 });
    });

    test('16 MiB arrive as they were, in order, each way: four of the largest windows', async () => {
      const call = streamer.mirror();
      const sent = createHash('sha256');
      const piece = randomBytes(1024 * 1024);
      const sending = (async () => {
        for (let i = 0; i < 16; i++) {
          sent.update(piece);
          await call.send(null, piece);
        }
        call.end();
      })();
      const got = createHash('sha256');
      for await (const { attachment } of call) got.update(attachment);
      await sending;
      expect(got.digest('hex')).toBe(sent.digest('hex'));
    });

    test('many streams and calls share a connection without a message of one in another', async () => {
      const sums = Array.from({ length: 40 }, async (_, n) => {
        const call = streamer.sum({});
        for (let i = 0; i < 50; i++) await call.send({ i: n }, Buffer.alloc(n * 100));
        call.end();
        expect(await call.reply).toEqual({ sum: n * 50, messages: 50, bytes: n * 5_000 });
      });
      await Promise.all(sums);
    });

    test('a reader that stops stops its writer after the window', async () => {
      const call = streamer.stall({ name: 'a', take: 2 });
      const piece = Buffer.alloc(64 * 1024);
      let sentBytes = 0;
      const sending = (async () => {
        // 10 GiB, if they let it.
        for (let i = 0; i < 160 * 1024; i++) {
          await call.send(null, piece);
          sentBytes += piece.length;
        }
      })();
      sending.catch(() => {});
      await handlers.untilWaiting('a');
      await settled(() => sentBytes);
      expect(sentBytes).toBeGreaterThanOrEqual(WINDOW_BYTES - piece.length);
      expect(sentBytes).toBeLessThanOrEqual(WINDOW_BYTES + 4 * piece.length);
      expect(totals.unreadBytes).toBeLessThanOrEqual(WINDOW_BYTES + MESSAGE_BYTES_MAX);
      call.cancel();
      await expect(sending).rejects.toMatchObject({ code: 'Cancelled' });
      handlers.waiting.get('a')!.release();
    });

    test('a caller that does not read stops the handler, and reading on lets it go on', async () => {
      const call = streamer.count({ to: 1_000, bytes: 100_000 });
      const messages = call[Symbol.asyncIterator]();
      await messages.next();
      await settled(() => handlers.sentBytes);
      expect(handlers.sentBytes).toBeLessThan(WINDOW_BYTES_MAX);
      let count = 1;
      for await (const _ of call) count++;
      expect(count).toBe(1_000);
      expect(handlers.sentBytes).toBe(100_000_000);
    });

    test('a slow reader gets everything, and its writer never runs far ahead', async () => {
      const call = streamer.count({ to: 200, bytes: 100_000 });
      let read = 0;
      for await (const { attachment } of call) {
        read += attachment.length;
        if (read % 1_000_000 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
        expect(handlers.sentBytes - read).toBeLessThanOrEqual(2 * WINDOW_BYTES_MAX);
      }
      expect(read).toBe(20_000_000);
    });

    test('sends that nobody awaits queue up to a bound, and are then refused', async () => {
      const call = streamer.deaf({ name: 'a' });
      const sends: Promise<void>[] = [];
      const piece = Buffer.alloc(1024 * 1024);
      for (let i = 0; i < 20; i++) sends.push(call.send({ i }, piece));
      const outcomes = Promise.allSettled(sends);
      await handlers.untilWaiting('a');
      call.cancel();
      const codes = (await outcomes).map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : 'sent'));
      const refused = codes.filter((code) => code === 'Overloaded').length;
      expect(refused).toBeGreaterThan(0);
      expect(20 - refused).toBeLessThanOrEqual(QUEUED_BYTES_MAX / piece.length + 1);
    });

    test('what a handler sent without waiting arrives before its reply', async () => {
      const call = streamer.count({ to: 60, bytes: 100_000, awaited: false });
      expect(await drain(call)).toHaveLength(60);
      expect(await call.reply).toEqual({ sent: 60 });
    });

    test("a handler's error in mid-stream comes after the messages before it, in the iteration and as the reply", async () => {
      const call = streamer.fail({ after: 3, how: 'typed' });
      const got: number[] = [];
      const error = await (async () => {
        for await (const { body } of call) got.push(body.i);
      })().catch((caught) => caught);
      expect(got).toEqual([0, 1, 2]);
      expect(error).toBeInstanceOf(StreamerError);
      expect(error).toMatchObject({ code: 'Enough', reason: 'of this', details: { after: 3 } });
      await expect(call.reply).rejects.toBe(error);
      await expect(call.send(null)).rejects.toBe(error);
      await expect(drain(streamer.fail({ after: 0, how: 'bug' }))).rejects.toMatchObject({ name: 'KuafuError', code: 'Internal' });
    });

    test('a caller that leaves the iteration early cancels the call', async () => {
      const call = streamer.count({ to: 1_000_000 });
      for await (const { body } of call) if (body.i === 10) break;
      await expect(call.reply).rejects.toMatchObject({ code: 'Cancelled' });
      await handlers.untilEnded(1);
      expect(handlers.ended).toMatchObject([{ method: 'count', error: { code: 'Cancelled' } }]);
      expect(await drain(call)).toEqual([]);
    });

    test('a handler that leaves the iteration early may still reply, and its caller is told to stop', async () => {
      const call = streamer.stall({ name: 'a', take: 1, afterwards: 'leave' });
      const sending = (async () => {
        for (;;) await call.send(null, Buffer.alloc(50_000));
      })();
      const stopped = expect(sending).rejects.toMatchObject({ code: 'Cancelled', reason: expect.stringMatching(/has replied/) });
      await handlers.untilWaiting('a');
      handlers.waiting.get('a')!.release();
      expect(await call.reply).toEqual({ messages: 1 });
      await stopped;
    });

    test('cancelling settles both ends', async () => {
      const controller = new AbortController();
      const call = streamer.mirror(undefined, { signal: controller.signal });
      await call.send(1);
      const reading = drain(call);
      reading.catch(() => {});
      await handlers.until(() => handlers.opened === 1);
      controller.abort(new Error('changed my mind'));
      await expect(reading).rejects.toMatchObject({ code: 'Cancelled', cause: { message: 'changed my mind' } });
      await expect(call.reply).rejects.toMatchObject({ code: 'Cancelled' });
      await expect(call.send(2)).rejects.toMatchObject({ code: 'Cancelled' });
      await handlers.untilEnded(1);
      expect(handlers.ended[0]).toMatchObject({ error: { code: 'Cancelled' } });
    });

    test('a stream cancelled before it begins never reaches the handler', async () => {
      const call = streamer.sum({}, { signal: AbortSignal.abort() });
      await expect(call.send({ i: 1 })).rejects.toMatchObject({ code: 'Cancelled' });
      await expect(call.reply).rejects.toMatchObject({ code: 'Cancelled' });
      expect(await streamer.count({ to: 0 }).reply).toEqual({ sent: 0 });
      expect(handlers.opened).toBe(1);
    });

    test('a deadline settles both ends, and reaches a handler that waits for a message', async () => {
      await streamer.count({ to: 0 }).reply; // 60 ms are for the call, not for a connection
      const call = streamer.mirror(undefined, { timeoutMs: 60 });
      await expect(drain(call)).rejects.toMatchObject({ code: 'DeadlineExceeded' });
      await expect(call.reply).rejects.toMatchObject({ code: 'DeadlineExceeded' });
      await handlers.untilEnded(2);
    });

    test('without a deadline of its own a stream has none', async () => {
      const call = streamer.deaf({ name: 'a' });
      await handlers.untilWaiting('a');
      expect(handlers.waiting.get('a')!.context.remainingMs()).toBeGreaterThan(1e12);
      handlers.waiting.get('a')!.release();
      await call.reply;
    });

    test('a message that does not fit its schema ends the stream with the path of what is wrong', async () => {
      const call = streamer.sum({});
      await call.send({ i: 'one' as never });
      await expect(call.reply).rejects.toMatchObject({
        code: 'InvalidRequest',
        reason: expect.stringMatching(/a message does not fit: i: /),
      });
      await expect(drain(streamer.wrong())).rejects.toMatchObject({ code: 'Internal', reason: expect.stringMatching(/does not fit: i: /) });
      const never = streamer.count({ to: 1 });
      await expect(never.send(Symbol('s') as never)).rejects.toMatchObject({ code: 'InvalidRequest' });
      await drain(never);
    });

    test('a message past the bound is refused, and the stream goes on', async () => {
      const call = streamer.sum({});
      await expect(call.send({ i: 1 }, Buffer.alloc(MESSAGE_BYTES_MAX + 1))).rejects.toMatchObject({ code: 'InvalidRequest' });
      await call.send({ i: 2 });
      call.end();
      await expect(call.send({ i: 3 })).rejects.toMatchObject({ code: 'InvalidRequest', reason: expect.stringMatching(/after the end/) });
      expect(await call.reply).toMatchObject({ sum: 2 });
    });

    test('a request that does not fit is refused, whatever was sent with it', async () => {
      const call = streamer.count({ to: 'many' as never });
      call.send({} as never).catch(() => {});
      await expect(call.reply).rejects.toMatchObject({ code: 'InvalidRequest' });
      expect(handlers.opened).toBe(0);
    });

    test('streams under way go on while a server drains, and new ones are refused', async () => {
      const call = streamer.mirror();
      await call.send('before');
      await handlers.until(() => handlers.opened === 1);
      const closing = server.close();
      await expect(streamer.sum({}).reply).rejects.toMatchObject({ code: 'Unavailable' });
      await call.send('after');
      call.end();
      expect((await drain(call)).map(({ body }) => body)).toEqual(['before', 'after']);
      expect(await call.reply).toEqual({ messages: 2 });
      await closing;
      expect(handlers.ended).toEqual([{ method: 'mirror' }]);
    });

    test('streams that outlast the grace break, and both ends hear of it', async () => {
      const call = streamer.mirror();
      await call.send(1);
      await handlers.until(() => handlers.opened === 1);
      await server.close({ graceMs: 10 });
      await expect(drain(call)).rejects.toMatchObject({ code: 'Unavailable' });
      await expect(call.send(1)).rejects.toMatchObject({ code: 'Unavailable' });
      await handlers.untilEnded(1);
    });

    test('closing the client ends its streams at both ends', async () => {
      const call = streamer.mirror();
      const other = streamer.count({ to: 1_000_000 });
      await call.send(1);
      await handlers.until(() => handlers.opened === 2);
      await client.close();
      await expect(drain(call)).rejects.toMatchObject({ code: 'Unavailable' });
      await expect(drain(other)).rejects.toMatchObject({ code: 'Unavailable' });
      await handlers.untilEnded(2);
    });

    test('streams count as calls, and one refused before it ran is opened again with what was sent', async () => {
      await server.close();
      const bounded = new StreamerHandlers();
      server = await serve({ guard: 'none', tls, address: listen(), implementations: [bounded.implementation()], limits: { callsMax: 1 } });
      streamer = client.service(streamerService, server.address);
      const first = streamer.deaf({ name: 'a' });
      await bounded.untilWaiting('a');
      const refusals = (): number =>
        meters.find(({ side, service }) => side === 'server' && service === '')!.failures.get('Overloaded') ?? 0;
      const before = refusals();
      const second = streamer.sum({});
      for (let i = 0; i < 10; i++) await second.send({ i }, Buffer.alloc(10_000));
      second.end();
      await expect.poll(refusals, { interval: 1 }).toBeGreaterThan(before);
      bounded.waiting.get('a')!.release();
      await first.reply;
      expect(await second.reply).toEqual({ sum: 45, messages: 10, bytes: 100_000 });
      expect(bounded.opened).toBe(2);
    });

    test('what all streams hold unread is bounded: past it none is opened, and past twice that streams end', async () => {
      await server.close();
      const bounded = new StreamerHandlers();
      server = await serve({
        guard: 'none',
        tls,
        address: listen(),
        implementations: [bounded.implementation()],
        limits: { unreadBytesMax: 1_000_000 },
      });
      streamer = client.service(streamerService, server.address);
      const stalled = Array.from({ length: 5 }, (_, i) => streamer.deaf({ name: `${i}` }));
      const outcomes = Promise.allSettled(stalled.map(({ reply }) => reply));
      await bounded.until(() => bounded.opened === 5);
      const sends = Promise.allSettled(stalled.map((call) => call.send({ i: 0 }, Buffer.alloc(600_000))));
      await settled(() => totals.unreadBytes);
      expect(totals.unreadBytes).toBeGreaterThan(1_000_000);
      expect(totals.unreadBytes).toBeLessThanOrEqual(2_000_000);
      await expect(streamer.count({ to: 1 }).reply).rejects.toMatchObject({ code: 'Overloaded' });
      for (const { release } of bounded.waiting.values()) release();
      await sends;
      const codes = (await outcomes).map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : 'OK'));
      expect(codes).toContain('Unavailable');
      expect(codes).toContain('OK');
      expect(await drain(streamer.count({ to: 3 }))).toHaveLength(3);
    });

    test('nobody at the address is Unavailable, soon, for the reply, the iteration and each send', async () => {
      await server.close();
      const call = streamer.sum({});
      const send = call.send({ i: 1 });
      await expect(send).rejects.toMatchObject({ code: 'Unavailable' });
      await expect(drain(call)).rejects.toMatchObject({ code: 'Unavailable' });
      await expect(call.reply).rejects.toMatchObject({ code: 'Unavailable' });
    });
  });
}

async function drain<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

/** Once a figure has stayed the same for a while: that nothing happens has no event. */
async function settled(figure: () => number): Promise<void> {
  let before = Number.NaN;
  await expect.poll(() => before === (before = figure()), { interval: 40, timeout: 10_000 }).toBe(true);
}
