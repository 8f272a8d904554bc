import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { ManualClock } from '../../../services/base/clock.ts';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import { decodeBody, encodeBody } from '../../../services/kuafu/codec.ts';
import type { KuafuServer } from '../../../services/kuafu/contract.ts';
import { FRAME_KINDS, type FrameKind, HEADER_BYTES, writeHeader } from '../../../services/kuafu/core/frame.ts';
import { FrameParser } from '../../../services/kuafu/core/frame-parser.ts';
import { type ServeOptions, serve } from '../../../services/kuafu/server.ts';
import { EchoHandlers, echoService } from './echo.ts';
import { TestGuard } from './guard-under-test.ts';

/** Frames that are announced and do not come: what they cost, and whom. */
const MIB = 1024 * 1024;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options: Partial<ServeOptions> = {}): Promise<KuafuServer> {
  const implementations = [new EchoHandlers().implementation()];
  const server = await serve({ guard: 'none', address: 'tcp://127.0.0.1:0', implementations, ...options });
  cleanups.push(() => server.close({ graceMs: 0 }));
  return server;
}

function echoOf(server: KuafuServer) {
  const client = createKuafuClient();
  cleanups.push(() => client.close());
  return client.service(echoService, server.address);
}

function headerOf(kind: FrameKind, id: number, bodyBytes: number, attachmentBytes: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  writeHeader(bytes, 0, { kind, flags: 0, number: 0, id, bodyBytes, attachmentBytes });
  return bytes;
}

/** A peer that has said hello; `answers` grows by each frame that comes back. */
async function dial(
  server: KuafuServer,
): Promise<{ socket: Socket; answers: [FrameKind, unknown][]; untilAnswers: (count: number) => Promise<void> }> {
  const socket = connect({ port: Number(new URL(server.address).port), host: '127.0.0.1' });
  cleanups.push(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  const answers: [FrameKind, unknown][] = [];
  let onAnswer: () => void = () => {};
  const parser = new FrameParser(({ kind, body }) => {
    answers.push([kind, decodeBody(body)]);
    onAnswer();
  });
  socket.on('data', (chunk: Buffer) => parser.push(chunk));
  const hello = encodeBody({ magic: 'kuafu', version: 2 });
  socket.write(Buffer.concat([headerOf(FRAME_KINDS.hello, 0, hello.length, 0), hello]));
  const untilAnswers = async (count: number): Promise<void> => {
    while (answers.length < count) await new Promise<void>((resolve) => (onAnswer = resolve));
  };
  return { socket, answers, untilAnswers };
}

const REQUEST = encodeBody(['echo', 'mirror', 10_000, { pieces: 1 }]);

test('five hundred connections that each announce 64 MiB cost the server next to nothing, and others are answered', async () => {
  const server = await start();
  const echo = echoOf(server);
  const before = process.memoryUsage();
  const frame = Buffer.concat([
    headerOf(FRAME_KINDS.request, 1, REQUEST.length, 64 * MIB - HEADER_BYTES - REQUEST.length),
    REQUEST,
    Buffer.alloc(100),
  ]);
  for (let i = 0; i < 500; i++) (await dial(server)).socket.write(frame);
  // By then everything that was written before has been read: the server took it in turn.
  expect(await echo.echo({ text: 'alive' })).toEqual({ text: 'alive' });
  expect(process.memoryUsage().arrayBuffers - before.arrayBuffers).toBeLessThan(520 * MIB);
  expect(process.memoryUsage().rss - before.rss).toBeLessThan(200 * MIB);
});

test('frames that come in part share a bound: what finds no room is refused as Overloaded, and its connection goes on', async () => {
  const server = await start({ limits: { halfReadBytesMax: 8 * MIB } });
  const holders = await Promise.all(Array.from({ length: 4 }, () => dial(server)));
  for (const { socket } of holders) {
    socket.write(Buffer.concat([headerOf(FRAME_KINDS.request, 1, REQUEST.length, 20 * MIB), REQUEST, Buffer.alloc(2 * MIB)]));
  }
  const { socket, answers, untilAnswers } = await dial(server);
  await untilAnswers(1);
  const small = encodeBody(['echo', 'echo', 10_000, { text: 'small' }]);
  const whole = Buffer.concat([headerOf(FRAME_KINDS.request, 5, REQUEST.length, 9 * MIB), REQUEST, Buffer.alloc(9 * MIB)]);
  socket.write(Buffer.concat([whole, headerOf(FRAME_KINDS.request, 6, small.length, 0), small]));
  await untilAnswers(3);
  expect(answers.slice(1)).toEqual([
    [FRAME_KINDS.error, expect.objectContaining({ code: 'Overloaded', details: { retryAfterMs: expect.any(Number) } })],
    [FRAME_KINDS.reply, { text: 'small' }],
  ]);
  // Those who held the room go, and it is there again.
  for (const holder of holders) holder.socket.destroy();
  const echo = echoOf(server);
  await expect(echo.mirror({ pieces: 1 }, { attachment: Buffer.alloc(3 * MIB) })).resolves.toMatchObject({ body: { length: 3 * MIB } });
});

test('where it is asked who calls, nobody may send more than 64 KiB, and whoever is let in may', async () => {
  const server = await start({ guard: new TestGuard(), cluster: 'test' });
  const { socket, answers, untilAnswers } = await dial(server);
  await untilAnswers(1);
  socket.write(Buffer.concat([headerOf(FRAME_KINDS.request, 9, REQUEST.length, 70_000), REQUEST, Buffer.alloc(70_000)]));
  await untilAnswers(2);
  expect(answers[1]).toEqual([
    FRAME_KINDS.error,
    expect.objectContaining({ code: 'Unauthenticated', reason: expect.stringMatching(/nobody may send/) }),
  ]);
});

test('a frame that stands still ends its connection, and one that goes on slowly does not', async () => {
  const clock = new ManualClock();
  const server = await start({ clock });
  const stuck = await dial(server);
  const slow = await dial(server);
  const announced = Buffer.concat([headerOf(FRAME_KINDS.request, 1, REQUEST.length, MIB), REQUEST]);
  stuck.socket.write(announced);
  slow.socket.write(announced);
  const echo = echoOf(server);
  const ended = once(stuck.socket, 'close');
  for (let look = 0; look < 5; look++) {
    slow.socket.write(Buffer.alloc(2_000));
    for (let i = 0; i < 20; i++) await echo.echo({ text: 'a round trip, in which what was written before is read' });
    clock.advance(5_010);
    for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  await ended;
  expect(stuck.answers.at(-1)).toEqual([FRAME_KINDS.goAway, { reason: 'a frame that does not go on' }]);
  expect(slow.socket.destroyed).toBe(false);
});
