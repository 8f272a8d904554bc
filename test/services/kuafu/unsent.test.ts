import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import { encodeBody } from '../../../services/kuafu/codec.ts';
import type { KuafuServer } from '../../../services/kuafu/contract.ts';
import { FRAME_KINDS, type FrameKind, HEADER_BYTES, writeHeader } from '../../../services/kuafu/core/frame.ts';
import { type ServerLimits, serve } from '../../../services/kuafu/server.ts';
import { StreamerHandlers, streamerService } from './streamer.ts';

/** Peers that grant all the credit there is and then do not read their socket. */
const MIB = 1024 * 1024;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(limits: ServerLimits = {}) {
  const handlers = new StreamerHandlers();
  const server = await serve({ guard: 'none', address: 'tcp://127.0.0.1:0', implementations: [handlers.implementation()], limits });
  cleanups.push(() => server.close({ graceMs: 0 }));
  const client = createKuafuClient();
  cleanups.push(() => client.close());
  return { handlers, server, streamer: client.service(streamerService, server.address) };
}

function frame(kind: FrameKind, id: number, value: unknown): Buffer {
  const body = encodeBody(value);
  const bytes = Buffer.alloc(HEADER_BYTES + body.length);
  writeHeader(bytes, 0, { kind, flags: 0, number: 0, id, bodyBytes: body.length, attachmentBytes: 0 });
  body.copy(bytes, HEADER_BYTES);
  return bytes;
}

const HELLO = frame(FRAME_KINDS.hello, 0, { magic: 'kuafu', version: 2, windowBytes: 64 * MIB });

/** A connection that says what it wants and is not read. */
async function deafPeer(server: KuafuServer, streams: number, bytes: number): Promise<Socket> {
  const socket = connect({ port: Number(new URL(server.address).port), host: '127.0.0.1' });
  cleanups.push(() => socket.destroy());
  socket.pause();
  await once(socket, 'connect');
  const requests = Array.from({ length: streams }, (_, i) =>
    frame(FRAME_KINDS.request, i + 1, ['streamer', 'count', 2 ** 48, { to: 1_000_000, bytes }]),
  );
  socket.write(Buffer.concat([HELLO, ...requests]));
  return socket;
}

/** Resolves once `value` has not changed for twenty round trips in a row. */
async function untilStill(value: () => number, roundTrip: () => Promise<unknown>): Promise<number> {
  for (let before = -1, same = 0; same < 20; ) {
    await roundTrip();
    same = value() === before ? same + 1 : 0;
    before = value();
  }
  return value();
}

test.each([
  ['messages of 1 MiB', MIB],
  ['small messages', 100],
])(
  'a peer that grants 64 MiB to each of fifty streams and does not read stops their handlers soon, and others are answered: %s',
  async (_name, bytes) => {
    const { handlers, server, streamer } = await start();
    const socket = await deafPeer(server, 50, bytes);
    const roundTrip = async (): Promise<void> => {
      const call = streamer.mirror();
      call.end();
      await call.reply;
    };
    await handlers.until(() => handlers.opened === 50);
    const sent = await untilStill(() => handlers.sentBytes, roundTrip);
    // What the connection may hold, what the kernel takes, and for each stream a message that waits.
    expect(sent).toBeLessThan(8 * MIB + 16 * MIB + 100 * bytes);
    // Nothing is lost by it: who reads gets all.
    socket.resume();
    await expect
      .poll(() => handlers.sentBytes, { timeout: 10_000, interval: 5 })
      .toBeGreaterThan(sent + (bytes === MIB ? 40 * MIB : 500_000));
  },
);

test('connections that leave too much between them get little more each, and open no more streams', async () => {
  const { handlers, server, streamer } = await start({ unsentBytesMax: 12 * MIB });
  for (let i = 0; i < 8; i++) {
    await deafPeer(server, 4, MIB);
    if (i < 2) await handlers.until(() => handlers.opened === 4 * (i + 1));
  }
  const refused = async (): Promise<string> => {
    const call = streamer.count({ to: 1 }, { timeoutMs: 200 });
    return call.reply.then(
      () => 'opened',
      (error) => error.code,
    );
  };
  await expect.poll(refused, { timeout: 10_000, interval: 5 }).toBe('Overloaded');
  expect(handlers.sentBytes).toBeLessThan(12 * MIB + 8 * 5 * MIB + 8 * 16 * MIB);
});

test('a caller that sends to a server which does not read is stopped likewise', async () => {
  const server = createServer((socket) => {
    cleanups.push(() => socket.destroy());
    socket.write(HELLO);
    socket.once('data', () => socket.pause());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  const client = createKuafuClient();
  cleanups.push(() => client.close());
  const streamer = client.service(streamerService, `tcp://127.0.0.1:${(server.address() as { port: number }).port}`);
  let sent = 0;
  const attachment = Buffer.alloc(MIB);
  for (let i = 0; i < 20; i++) {
    const call = streamer.sum({});
    call.reply.catch(() => {});
    const run = async (): Promise<void> => {
      for (;;) {
        await call.send({ i: 1 }, attachment);
        sent += MIB;
      }
    };
    run().catch(() => {});
  }
  const still = await untilStill(
    () => sent,
    () => new Promise((resolve) => setTimeout(resolve, 5)),
  );
  expect(still).toBeGreaterThan(0);
  expect(still).toBeLessThan(8 * MIB + 16 * MIB + 20 * MIB);
});
