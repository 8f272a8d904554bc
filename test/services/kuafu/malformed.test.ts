import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Logger, silentLogger } from '../../../services/base/log.ts';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import { decodeBody, encodeBody } from '../../../services/kuafu/codec.ts';
import type { KuafuServer } from '../../../services/kuafu/contract.ts';
import { FRAME_KINDS, type Frame, type FrameKind, HEADER_BYTES, writeHeader } from '../../../services/kuafu/core/frame.ts';
import { FrameParser } from '../../../services/kuafu/core/frame-parser.ts';
import { serve } from '../../../services/kuafu/server.ts';
import { EchoHandlers, echoService } from './echo.ts';

/** Peers that speak Kuafu badly, or not at all: they lose their connection, and nobody else notices. */
let handlers: EchoHandlers;
let server: KuafuServer;
const sockets: Socket[] = [];

let warned: string[];

beforeEach(async () => {
  handlers = new EchoHandlers();
  warned = [];
  const log = { ...silentLogger, warn: (_: unknown, event: string) => void warned.push(event) } as Logger;
  server = await serve({ guard: 'none', address: 'tcp://127.0.0.1:0', implementations: [handlers.implementation()], log });
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  const client = createKuafuClient();
  await expect(client.service(echoService, server.address).echo({ text: 'alive' })).resolves.toEqual({ text: 'alive' });
  await client.close();
  await server.close({ graceMs: 0 });
});

function frame(
  kind: FrameKind,
  id: number,
  body: Uint8Array = Buffer.alloc(0),
  attachment: Uint8Array = Buffer.alloc(0),
  number = 0,
): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + body.length + attachment.length);
  writeHeader(bytes, 0, { kind, flags: 0, number, id, bodyBytes: body.length, attachmentBytes: attachment.length });
  bytes.set(body, HEADER_BYTES);
  bytes.set(attachment, HEADER_BYTES + body.length);
  return bytes;
}

const HELLO = frame(FRAME_KINDS.hello, 0, encodeBody({ magic: 'kuafu', version: 2 }));

async function dial(): Promise<Socket> {
  const socket = connect({ port: Number(new URL(server.address).port), host: '127.0.0.1' });
  sockets.push(socket);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Sends bytes; returns the frames that came before the server closed the connection. */
async function provoke(...pieces: Uint8Array[]): Promise<Frame[]> {
  const socket = await dial();
  const frames: Frame[] = [];
  const parser = new FrameParser((received) => frames.push({ ...received, body: Buffer.from(received.body) }));
  socket.on('data', (chunk: Buffer) => parser.push(chunk));
  for (const piece of pieces) socket.write(piece);
  await once(socket, 'close');
  return frames;
}

test.each([
  ['another protocol', Buffer.from('GET / HTTP/1.1\r\nHost: here\r\n\r\n'), /the limit is/],
  ['a call before hello', frame(FRAME_KINDS.request, 1, encodeBody(['echo', 'who', 1_000, {}])), /the first frame is no hello/],
  ['a hello of another protocol', frame(FRAME_KINDS.hello, 0, encodeBody({ magic: 'other', version: 1 })), /does not speak Kuafu/],
  ['a hello of another version', frame(FRAME_KINDS.hello, 0, encodeBody({ magic: 'kuafu', version: 1 })), /version 1/],
  ['a hello that is no MessagePack', frame(FRAME_KINDS.hello, 0, Buffer.from([0xc1])), /0xc1/],
  [
    'a request that is no MessagePack',
    Buffer.concat([HELLO, frame(FRAME_KINDS.request, 1, Buffer.from([0xdc, 0xff, 0xff]))]),
    /no MessagePack/,
  ],
  ['a request without its parts', Buffer.concat([HELLO, frame(FRAME_KINDS.request, 1, encodeBody(['echo', 'who']))]), /without service/],
  [
    'a hello whose version is a text',
    frame(FRAME_KINDS.hello, 0, encodeBody({ magic: 'kuafu', version: '2' })),
    /version "2" of Kuafu, here it is 2/,
  ],
  [
    'a request with the id of one that is under way',
    Buffer.concat([
      HELLO,
      frame(FRAME_KINDS.request, 1, encodeBody(['echo', 'wait', 10_000, { name: 'a' }])),
      frame(FRAME_KINDS.request, 1, encodeBody(['echo', 'who', 10_000, {}])),
    ]),
    /the id 1 of one that is under way/,
  ],
  [
    'a request without an id',
    Buffer.concat([HELLO, frame(FRAME_KINDS.request, 0, encodeBody(['echo', 'who', 1_000, {}]))]),
    /without an id/,
  ],
  [
    'a request as somebody, where nobody is asked',
    Buffer.concat([HELLO, frame(FRAME_KINDS.request, 1, encodeBody(['echo', 'who', 1_000, {}]), undefined, 5)]),
    /asked for nobody/,
  ],
  ...[Number.NaN, Number.POSITIVE_INFINITY].map((ms): [string, Buffer, RegExp] => [
    `a request with ${ms} ms left`,
    Buffer.concat([HELLO, frame(FRAME_KINDS.request, 1, encodeBody(['echo', 'who', ms, {}]))]),
    /remaining time/,
  ]),
  ['a second hello', Buffer.concat([HELLO, HELLO]), /kind 1 from a caller/],
  ['a reply from a caller', Buffer.concat([HELLO, frame(FRAME_KINDS.reply, 1)]), /kind 3 from a caller/],
])('%s ends the connection with the reason', async (_name, bytes, reason) => {
  const frames = await provoke(bytes);
  expect(frames[0]!.kind).toBe(FRAME_KINDS.hello);
  const last = frames.at(-1)!;
  expect(last.kind).toBe(FRAME_KINDS.goAway);
  expect(decodeBody(last.body)).toMatchObject({ reason: expect.stringMatching(reason) });
});

test('a text that is no UTF-8 is refused and never repaired, and its connection goes on', async () => {
  const [before, after] = String(encodeBody(['echo', 'echo', 1_000, { text: '??' }]).toString('latin1')).split('??');
  const body = Buffer.from(`${before}\xff\xfe${after}`, 'latin1');
  const good = frame(FRAME_KINDS.request, 2, encodeBody(['echo', 'echo', 1_000, { text: '飞天 🚀 \ufffd' }]));
  expect(await answersTo(2, frame(FRAME_KINDS.request, 1, body), good)).toEqual([
    [1, expect.objectContaining({ code: 'InvalidRequest', reason: expect.stringMatching(/no UTF-8/) })],
    [2, { text: '飞天 🚀 \ufffd' }],
  ]);
});

/** Sends bytes after a hello; the first so many answers, by id, as they came. */
async function answersTo(count: number, ...pieces: Uint8Array[]): Promise<[number, unknown][]> {
  const socket = await dial();
  const answers: [number, unknown][] = [];
  const parser = new FrameParser(({ kind, id, body }) => {
    if (kind !== FRAME_KINDS.hello) answers.push([id, decodeBody(body)]);
    if (answers.length === count) socket.end();
  });
  socket.on('data', (chunk: Buffer) => parser.push(chunk));
  socket.write(Buffer.concat([HELLO, ...pieces]));
  await once(socket, 'close');
  return answers;
}

test('a time left of 2^53 and more, in whatever form, is malformed and no deadline; its connection goes on', async () => {
  const lefts = [2n ** 63n, 2n ** 64n - 1n, -(2n ** 63n), 2n ** 53n + 1n, 2 ** 53, 1e300];
  const requests = lefts.map((left, i) => frame(FRAME_KINDS.request, i + 1, encodeBody(['echo', 'who', left, {}])));
  const longest = frame(FRAME_KINDS.request, 99, encodeBody(['echo', 'who', 2 ** 53 - 1, {}]));
  const answers = await answersTo(lefts.length + 1, ...requests, longest);
  const malformed = expect.objectContaining({ code: 'InvalidRequest', reason: expect.stringMatching(/^malformed/) });
  expect(answers).toEqual([...lefts.map((_, i) => [i + 1, malformed]), [99, { who: 'echo' }]]);
  expect(handlers.calls).toBe(1);
  // What callers here say as a time that is none does not get that far.
  const client = createKuafuClient();
  const echo = client.service(echoService, server.address);
  await expect(echo.who({}, { timeoutMs: Number.NaN })).rejects.toMatchObject({ code: 'InvalidRequest' });
  expect(await echo.who({}, { timeoutMs: Number.POSITIVE_INFINITY })).toEqual({ who: 'echo' });
  await client.close();
});

test('a call that was cancelled has its id until its error comes, and gets one', async () => {
  const socket = await dial();
  const answers: unknown[] = [];
  let onAnswer: () => void = () => {};
  const parser = new FrameParser(({ kind, id, body }) => {
    if (kind !== FRAME_KINDS.hello) answers.push([id, decodeBody(body)]);
    onAnswer();
  });
  socket.on('data', (chunk: Buffer) => parser.push(chunk));
  socket.write(
    Buffer.concat([
      HELLO,
      frame(FRAME_KINDS.request, 1, encodeBody(['echo', 'wait', 10_000, { name: 'a' }])),
      frame(FRAME_KINDS.cancel, 1),
    ]),
  );
  while (answers.length < 1) await new Promise<void>((resolve) => (onAnswer = resolve));
  socket.write(frame(FRAME_KINDS.request, 1, encodeBody(['echo', 'who', 10_000, {}])));
  while (answers.length < 2) await new Promise<void>((resolve) => (onAnswer = resolve));
  expect(answers).toEqual([
    [1, expect.objectContaining({ code: 'Cancelled' })],
    [1, { who: 'echo' }],
  ]);
});

test('any bytes after a hello leave the server standing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 4 }), async (pieces) => {
      const socket = await dial();
      socket.resume();
      socket.write(HELLO);
      for (const piece of pieces) socket.write(piece);
      socket.end();
      await once(socket, 'close');
    }),
    { numRuns: 20 },
  );
});

test('any body of a request leaves the server standing', async () => {
  const socket = await dial();
  socket.resume();
  await fc.assert(
    fc.asyncProperty(fc.anything({ maxDepth: 3 }), fc.constantFrom(...Object.keys(echoService.methods)), async (request, method) => {
      let body: Buffer;
      try {
        body = encodeBody(['echo', method, 5, request]);
      } catch {
        return; // a value that MessagePack cannot say
      }
      if (socket.closed) return;
      socket.write(Buffer.concat([HELLO, frame(FRAME_KINDS.request, 1, body)]));
    }),
    { numRuns: 60 },
  );
});

test('a peer cut off within a frame breaks the calls it had under way', async () => {
  const socket = await dial();
  socket.write(
    Buffer.concat([HELLO, frame(FRAME_KINDS.request, 7, encodeBody(['echo', 'wait', 10_000, { name: 'cut' }])), HELLO.subarray(0, 9)]),
  );
  await handlers.untilWaiting(1);
  socket.destroy();
  await handlers.untilAborted(1);
  expect(handlers.aborted[0]).toMatchObject({ name: 'cut', reason: { code: 'Cancelled' } });
});

test('a peer that asks and never reads is no longer read from', async () => {
  const socket = await dial();
  socket.pause();
  const attachment = Buffer.alloc(4 * 1024 * 1024);
  let sent = 0;
  socket.write(HELLO);
  // More than twice what the server keeps for a peer: it stops reading before the end.
  for (let id = 1; id <= 40; id++) {
    socket.write(frame(FRAME_KINDS.request, id, encodeBody(['echo', 'mirror', 60_000, { pieces: 1 }]), attachment), () => sent++);
  }
  let before = -1;
  let stalls = 0;
  const stalled = (): number => {
    stalls = sent === before ? stalls + 1 : 0;
    before = sent;
    return stalls;
  };
  await expect.poll(stalled, { interval: 150, timeout: 10_000 }).toBeGreaterThanOrEqual(3);
  expect(sent).toBeGreaterThan(0);
  expect(sent).toBeLessThan(40);
  let replies = 0;
  const parser = new FrameParser(({ kind }) => {
    if (kind === FRAME_KINDS.reply) replies++;
  });
  socket.on('data', (chunk: Buffer) => parser.push(chunk));
  socket.resume();
  await expect.poll(() => replies, { timeout: 10_000 }).toBe(40);
});

test.each([
  ['a reply that is no MessagePack', [HELLO], [frame(FRAME_KINDS.reply, 1, Buffer.from([0xc1]))], { code: 'Internal' }],
  ['an error that is no MessagePack', [HELLO], [frame(FRAME_KINDS.error, 1, Buffer.from([0xc1]))], { code: 'Internal' }],
  ['an error without a name', [HELLO], [frame(FRAME_KINDS.error, 1, encodeBody({}))], { code: 'Internal' }],
  ['a request', [HELLO], [frame(FRAME_KINDS.request, 1, encodeBody([]))], { code: 'Unavailable' }],
  ['no frame at all', [HELLO], [Buffer.from('x'.repeat(100))], { code: 'Unavailable' }],
  ['no Kuafu at all', [Buffer.from('220 smtp ready, pleased to meet you\r\n')], [], { code: 'Unavailable' }],
])('a server that answers with %s fails the call, not the caller', async (_name, greeting, answer, expected) => {
  const bad = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    for (const piece of greeting) socket.write(piece);
    const parser = new FrameParser(({ kind }) => {
      if (kind === FRAME_KINDS.request) for (const piece of answer) socket.write(piece);
    });
    socket.on('data', (chunk: Buffer) => parser.push(chunk));
  });
  bad.listen(0, '127.0.0.1');
  await once(bad, 'listening');
  const { port } = bad.address() as { port: number };
  const client = createKuafuClient();
  await expect(client.service(echoService, `tcp://127.0.0.1:${port}`).whoOnce({})).rejects.toMatchObject({
    name: 'KuafuError',
    ...expected,
  });
  await client.close();
  bad.close();
});

test('nonsense of any length is told three times, and then counted', async () => {
  for (let i = 0; i < 20; i++) {
    const nonsense = Buffer.alloc(64, 0xff);
    nonsense.writeUInt32BE(2_000_000_000 + i, 0);
    await provoke(nonsense);
  }
  expect(warned).toEqual(Array(3).fill('kuafu.connection.violated'));
});
