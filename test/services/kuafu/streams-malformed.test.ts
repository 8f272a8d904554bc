import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import { decodeBody, encodeBody } from '../../../services/kuafu/codec.ts';
import type { KuafuServer } from '../../../services/kuafu/contract.ts';
import { CREDIT_BYTES_MAX, MESSAGE_BYTES_MAX } from '../../../services/kuafu/core/credit.ts';
import { FRAME_KINDS, type Frame, type FrameKind, HEADER_BYTES, writeHeader } from '../../../services/kuafu/core/frame.ts';
import { FrameParser } from '../../../services/kuafu/core/frame-parser.ts';
import { WINDOW_BYTES } from '../../../services/kuafu/core/messages.ts';
import { totals } from '../../../services/kuafu/meter.ts';
import { serve } from '../../../services/kuafu/server.ts';
import { StreamerHandlers, streamerService } from './streamer.ts';

/** Peers that stream badly: they lose their connection with a reason, and neither the server nor its other callers do. */
let handlers: StreamerHandlers;
let server: KuafuServer;
const sockets: Socket[] = [];

beforeEach(async () => {
  handlers = new StreamerHandlers();
  server = await serve({ guard: 'none', address: 'tcp://127.0.0.1:0', implementations: [handlers.implementation()] });
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const { release } of handlers.waiting.values()) release();
  const client = createKuafuClient();
  expect(await client.service(streamerService, server.address).count({ to: 2 }).reply).toEqual({ sent: 2 });
  await client.close();
  await handlers.untilEnded(handlers.opened);
  await server.close({ graceMs: 0 });
  await expect.poll(() => totals.callsInFlight).toBe(0);
  expect(totals.unreadBytes).toBe(0);
});

function frame(kind: FrameKind, id: number, body: unknown, { number = 0, attachment = Buffer.alloc(0) } = {}): Buffer {
  const encoded = body instanceof Uint8Array ? body : encodeBody(body);
  const bytes = Buffer.alloc(HEADER_BYTES + encoded.length + attachment.length);
  writeHeader(bytes, 0, { kind, flags: 0, number, id, bodyBytes: encoded.length, attachmentBytes: attachment.length });
  bytes.set(encoded, HEADER_BYTES);
  bytes.set(attachment, HEADER_BYTES + encoded.length);
  return bytes;
}

const { hello, request, data, end, credit, cancel } = FRAME_KINDS;
const HELLO = frame(hello, 0, { magic: 'kuafu', version: 2, windowBytes: WINDOW_BYTES });
const open = (method: string, body: unknown, id = 1): Buffer => frame(request, id, ['streamer', method, 60_000, body]);

async function dial(): Promise<Socket> {
  const socket = connect({ port: Number(new URL(server.address).port), host: '127.0.0.1' });
  sockets.push(socket);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Sends bytes; returns the frames that came before `until`, or before the server closed. */
async function provoke(pieces: Uint8Array[], until: (frame: Frame) => boolean = () => false): Promise<Frame[]> {
  const socket = await dial();
  const frames: Frame[] = [];
  const parser = new FrameParser((received) => {
    frames.push({ ...received, body: Buffer.from(received.body) });
    if (until(received)) socket.destroy();
  });
  socket.on('data', (chunk: Buffer) => parser.push(chunk));
  for (const piece of pieces) socket.write(piece);
  await once(socket, 'close');
  return frames;
}

test.each([
  ['data without credit', [open('deaf', { name: 'a' }), ...flood(6)], /data without credit/],
  ['a message past the bound', [open('deaf', { name: 'a' }), big()], /a message of 4194306 bytes/],
  [
    'the id of a call that was cancelled and still runs',
    [open('deaf', { name: 'a' }), frame(cancel, 1, undefined), open('sum', {})],
    /the id 1/,
  ],
  ['data after the end', [open('deaf', { name: 'a' }), frame(end, 1, undefined), frame(data, 1, { i: 1 })], /after the end/],
  [
    'an end that does not count what came',
    [open('deaf', { name: 'a' }), frame(data, 1, { i: 1 }), frame(end, 1, undefined)],
    /another number/,
  ],
  ['credit that is none', [open('deaf', { name: 'a' }), frame(credit, 1, -5)], /no number of bytes/],
  ['credit that is text', [open('deaf', { name: 'a' }), frame(credit, 1, 'much')], /no number of bytes/],
  ['credit beyond all bounds', [open('deaf', { name: 'a' }), frame(credit, 1, 2 * CREDIT_BYTES_MAX)], /the limit is/],
  ['credit that is no MessagePack', [open('deaf', { name: 'a' }), frame(credit, 1, Buffer.from([0xc1]))], /no MessagePack/],
  ['a hello with a window of nonsense', [frame(hello, 0, { magic: 'kuafu', version: 2, windowBytes: 1e12 })], /begin with a window of/],
])('%s ends the connection with the reason', async (name, pieces, reason) => {
  const frames = await provoke(name.startsWith('a hello') ? pieces : [HELLO, ...pieces]);
  const last = frames.at(-1)!;
  expect(last.kind).toBe(FRAME_KINDS.goAway);
  expect(decodeBody(last.body)).toMatchObject({ reason: expect.stringMatching(reason) });
});

test('a gap in the numbers ends the stream, and not the connection; its id is free though its handler runs on', async () => {
  const frames = await provoke(
    [HELLO, open('deaf', { name: 'a' }), frame(data, 1, { i: 1 }), frame(data, 1, { i: 2 }, { number: 2 }), open('count', { to: 0 })],
    ({ kind }) => kind === FRAME_KINDS.reply,
  );
  const error = frames.find(({ kind }) => kind === FRAME_KINDS.error)!;
  expect(error.id).toBe(1);
  expect(decodeBody(error.body)).toMatchObject({ code: 'Unavailable' });
  expect(frames.at(-1)).toMatchObject({ kind: FRAME_KINDS.reply, id: 1 });
});

test('a message that is no MessagePack, or does not fit, ends the stream alone', async () => {
  const frames = await provoke(
    [
      HELLO,
      open('sum', {}),
      frame(data, 1, Buffer.from([0xc1])),
      open('sum', {}, 2),
      frame(data, 2, { i: 'x' }),
      open('count', { to: 0 }, 3),
    ],
    ({ kind }) => kind === FRAME_KINDS.reply,
  );
  const errors = frames.filter(({ kind }) => kind === FRAME_KINDS.error);
  expect(errors.map(({ id, body }) => [id, (decodeBody(body) as { code: string }).code])).toEqual([
    [1, 'InvalidRequest'],
    [2, 'InvalidRequest'],
  ]);
});

test('frames of streams that are over, or never were, are dropped', async () => {
  const strays = [data, end, credit].flatMap((kind) => [frame(kind, 77, 1), frame(kind, 0, Buffer.from([0xc1]))]);
  const frames = await provoke([HELLO, ...strays, open('count', { to: 0 }, 3)], ({ kind }) => kind === FRAME_KINDS.reply);
  expect(frames.map(({ kind }) => kind)).toEqual([hello, FRAME_KINDS.reply]);
});

test('a peer that begins without a window gets nothing until it gives credit, and then no more than it gave', async () => {
  const socket = await dial();
  const frames: Frame[] = [];
  const parser = new FrameParser((received) => frames.push({ ...received, body: Buffer.from(received.body) }));
  socket.on('data', (chunk: Buffer) => parser.push(chunk));
  const came = (kind: FrameKind): number => frames.filter((each) => each.kind === kind).length;
  socket.write(frame(hello, 0, { magic: 'kuafu', version: 2, windowBytes: 0 }));
  socket.write(Buffer.concat([open('count', { to: 10, bytes: 1_000 }), frame(FRAME_KINDS.ping, 9, undefined)]));
  await expect.poll(() => came(FRAME_KINDS.pong)).toBe(1);
  expect(came(data)).toBe(0);
  socket.write(Buffer.concat([frame(credit, 1, 2_500), frame(FRAME_KINDS.ping, 9, undefined)]));
  await expect.poll(() => came(FRAME_KINDS.pong)).toBe(2);
  expect(came(data)).toBe(3); // the third reaches beyond
  socket.write(frame(credit, 1, 1_000_000));
  await expect.poll(() => came(FRAME_KINDS.reply)).toBe(1);
  expect(frames.filter(({ kind }) => kind === data).map(({ number }) => number)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(frames.at(-1)).toMatchObject({ kind: FRAME_KINDS.reply, number: 10 });
});

test('a peer cut off in the middle of a message ends its streams', async () => {
  const socket = await dial();
  socket.write(Buffer.concat([HELLO, open('stall', { name: 'a', take: 0 }), big().subarray(0, 100_000)]));
  await handlers.untilWaiting('a');
  socket.destroy();
  const { signal } = handlers.waiting.get('a')!.context;
  if (!signal.aborted) await once(signal, 'abort');
  expect(signal.reason).toMatchObject({ code: 'Cancelled' });
});

test('any frames in any order leave the server and a neighbour standing', async () => {
  const neighbour = createKuafuClient();
  const call = neighbour.service(streamerService, server.address).mirror();
  const echoes = call[Symbol.asyncIterator]();
  const kinds = fc.constantFrom(...Object.values(FRAME_KINDS).filter((kind) => kind !== hello), data, data, end, credit);
  const bodies = fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.constantFrom(...[{ i: 1 }, 0, 300_000, -1, undefined].map(encodeBody)));
  const noise = fc.record({ kind: kinds, id: fc.nat(3), number: fc.oneof(fc.nat(3), fc.nat(0xffff)), body: bodies, bytes: fc.nat(3_000) });
  const methods = fc.constantFrom(
    open('sum', {}),
    open('mirror', undefined),
    open('count', { to: 2_000 }),
    open('fail', { after: 3, how: 'typed' }),
  );
  let i = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(methods, { maxLength: 2 }), fc.array(noise, { maxLength: 12 }), fc.boolean(), async (opens, frames, cut) => {
      const socket = await dial();
      socket.resume();
      const bytes = Buffer.concat([
        HELLO,
        ...opens,
        ...frames.map(({ kind, id, number, body, bytes }) => frame(kind, id, body, { number, attachment: Buffer.alloc(bytes) })),
      ]);
      socket.end(cut ? bytes.subarray(0, bytes.length - 5) : bytes);
      await once(socket, 'close');
      await call.send(i);
      expect((await echoes.next()).value?.body).toBe(i++);
    }),
    { numRuns: 25 },
  );
  call.end();
  expect(await call.reply).toEqual({ messages: i });
  await neighbour.close();
});

test('a good conversation with some bytes changed never crashes the server', async () => {
  const good = Buffer.concat([
    HELLO,
    open('mirror', undefined),
    ...Array.from({ length: 6 }, (_, i) => frame(data, 1, { i }, { number: i, attachment: Buffer.alloc(50 * i) })),
    frame(credit, 1, 400_000),
    frame(end, 1, undefined, { number: 6 }),
  ]);
  const change = fc.record({ at: fc.integer({ min: HELLO.length, max: good.length - 1 }), to: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      const spoiled = Buffer.from(good);
      for (const { at, to } of changes) spoiled[at] = to;
      const socket = await dial();
      socket.resume();
      socket.end(spoiled);
      await once(socket, 'close');
    }),
    { numRuns: 25 },
  );
});

test('whatever frames a server answers with, its caller hears how the stream ended', async () => {
  const noise = fc.record({
    kind: fc.constantFrom(...Object.values(FRAME_KINDS), data, data, credit),
    id: fc.constantFrom(0, 1, 1, 1, 2),
    number: fc.oneof(fc.nat(2), fc.nat(0xffff)),
    body: fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.constantFrom(...[{ i: 1 }, { sent: 1 }, 300_000, -1, undefined].map(encodeBody))),
  });
  let answer: Buffer[] = [];
  const bad = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.write(HELLO);
    const parser = new FrameParser(({ kind }) => {
      if (kind === request) socket.end(Buffer.concat(answer));
    });
    socket.on('data', (chunk: Buffer) => parser.push(chunk));
  });
  bad.listen(0, '127.0.0.1');
  await once(bad, 'listening');
  const { port } = bad.address() as { port: number };
  await fc.assert(
    fc.asyncProperty(fc.array(noise, { maxLength: 10 }), fc.nat(20), async (frames, cutBytes) => {
      const bytes = Buffer.concat(frames.map(({ kind, id, number, body }) => frame(kind, id, body, { number })));
      answer = [bytes.subarray(0, Math.max(0, bytes.length - cutBytes))];
      const client = createKuafuClient();
      const call = client.service(streamerService, `tcp://127.0.0.1:${port}`).count({ to: 3 });
      await drain(call).catch((error) => expect(error.code).toMatch(/^[A-Z]/));
      await call.reply.then(
        (reply) => expect(reply).toEqual({ sent: 1 }),
        (error) => expect(error.code).toMatch(/^[A-Z]/),
      );
      await client.close();
    }),
    { numRuns: 30 },
  );
  bad.close();
});

test.each([
  ['data without credit', 'count', [...flood(6)], { code: 'Unavailable' }],
  ['data for a call that wants none', 'sum', [frame(data, 1, { i: 1 })], { code: 'Internal' }],
  ['a gap', 'count', [frame(data, 1, { i: 1 }, { number: 1 })], { code: 'Unavailable', reason: expect.stringMatching(/were lost/) }],
  ['a reply that counts other messages', 'count', [frame(FRAME_KINDS.reply, 1, { sent: 1 }, { number: 3 })], { code: 'Unavailable' }],
  [
    'credit beyond all bounds',
    'sum',
    [frame(credit, 1, 2 * CREDIT_BYTES_MAX)],
    { code: 'Unavailable', reason: expect.stringMatching(/credit/) },
  ],
  ['an end of its own', 'sum', [frame(end, 1, undefined)], { code: 'Unavailable' }],
])('a server that sends %s fails the stream, not the caller', async (_name, method, answer, expected) => {
  const bad = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.write(HELLO);
    const parser = new FrameParser(({ kind }) => {
      if (kind === request) for (const piece of answer) socket.write(piece);
    });
    socket.on('data', (chunk: Buffer) => parser.push(chunk));
  });
  bad.listen(0, '127.0.0.1');
  await once(bad, 'listening');
  const { port } = bad.address() as { port: number };
  const client = createKuafuClient();
  const streamer = client.service(streamerService, `tcp://127.0.0.1:${port}`);
  const call = method === 'count' ? streamer.count({ to: 9 }) : streamer.sum({});
  // A caller that reads takes a message before it can know that it may not have it.
  const reading = method === 'sum' ? drain(call) : undefined;
  reading?.catch(() => {});
  await expect(call.reply).rejects.toMatchObject({ name: 'KuafuError', ...expected });
  await reading?.catch(() => {});
  await client.close();
  bad.close();
});

async function drain(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages);
}

function flood(count: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => frame(data, 1, { i }, { number: i, attachment: Buffer.alloc(WINDOW_BYTES / 4) }));
}

function big(): Buffer {
  return frame(data, 1, undefined, { attachment: Buffer.alloc(MESSAGE_BYTES_MAX + 2) });
}
