import { randomBytes } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import { encodeBody } from '../../../services/kuafu/codec.ts';
import { pack, UNPACKED_BYTES_MAX, unpack } from '../../../services/kuafu/compressed.ts';
import { FLAGS, FRAME_KINDS, FRAME_LIMITS, type Frame, HELLO_LIMITS } from '../../../services/kuafu/core/frame.ts';
import { MAGIC, VERSION } from '../../../services/kuafu/core/messages.ts';
import { totals } from '../../../services/kuafu/meter.ts';
import { serve } from '../../../services/kuafu/server.ts';
import type { Channel, ChannelEvents, OutgoingFrame } from '../../../services/kuafu/transport.ts';
import { CompressingChannel } from '../../../services/kuafu/transports/compressing-channel.ts';
import { tcpTransport } from '../../../services/kuafu/transports/tcp.ts';
import { EchoHandlers, echoService } from './echo.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const text = (bytes: number): Buffer => Buffer.alloc(bytes, 'the same words again, and again the same. ');
const NOTHING = Buffer.alloc(0);

describe('a compressed call', () => {
  async function start() {
    const handlers = new EchoHandlers();
    const server = await serve({ guard: 'none', address: 'tcp://127.0.0.1:0', implementations: [handlers.implementation()] });
    cleanups.push(() => server.close({ graceMs: 0 }));
    const client = createKuafuClient();
    cleanups.push(() => client.close());
    return client.service(echoService, server.address);
  }
  /** Bytes that a call put on the wire, both ways. */
  async function wireBytes(call: () => Promise<unknown>): Promise<number> {
    const before = totals.bytesOut;
    await call();
    return totals.bytesOut - before;
  }

  test('takes less of the wire both ways, and arrives as it was', async () => {
    const echo = await start();
    await echo.nothing();
    for (const bytes of [2_000, 60_000, 3_000_000]) {
      const attachment = text(bytes);
      const used = await wireBytes(async () => {
        const { body, attachment: mirrored } = await echo.mirror({ pieces: 3 }, { attachment, compress: true });
        expect(body.length).toBe(bytes);
        expect(mirrored.equals(attachment)).toBe(true);
      });
      expect(used, `${bytes} bytes`).toBeLessThan(bytes / 4);
    }
    const plainly = await wireBytes(() => echo.mirror({ pieces: 3 }, { attachment: text(60_000) }));
    expect(plainly).toBeGreaterThan(120_000);
  });

  test('with a small request gets a compressed reply', async () => {
    const echo = await start();
    await echo.nothing();
    const used = await wireBytes(async () => {
      const reply = await echo.echo({ text: 'again and ', times: 50_000 }, { compress: true });
      expect(reply.text).toBe('again and '.repeat(50_000));
    });
    expect(used).toBeLessThan(50_000);
  });

  test('that would not become smaller, or is too large to hold a loop for, goes as it is', async () => {
    const echo = await start();
    await echo.nothing();
    for (const attachment of [randomBytes(100_000), randomBytes(5_000), text(UNPACKED_BYTES_MAX + 1)]) {
      const used = await wireBytes(async () => {
        const { attachment: mirrored } = await echo.mirror({ pieces: 1 }, { attachment, compress: true });
        expect(mirrored.equals(attachment)).toBe(true);
      });
      expect(used).toBeGreaterThan(2 * attachment.length);
    }
  });

  test('among many others of all sizes is answered with its own', async () => {
    const echo = await start();
    const sizes = [10, 1_500, 70_000, 300_000, 900_000];
    const calls = Array.from({ length: 60 }, async (_, i) => {
      const attachment = Buffer.concat([Buffer.from(`${i}`), text(sizes[i % sizes.length]!)]);
      const { attachment: mirrored } = await echo.mirror({ pieces: 1 }, { attachment, compress: i % 3 > 0 });
      expect(mirrored.equals(attachment)).toBe(true);
    });
    await Promise.all(calls);
  });
});

describe('a compressed frame', () => {
  const frameOf = (sizes: [number, number], attachment: Buffer): Frame => {
    const body = Buffer.alloc(8);
    body.writeUInt32BE(sizes[0], 0);
    body.writeUInt32BE(sizes[1], 4);
    return { kind: FRAME_KINDS.request, flags: FLAGS.compressed, number: 0, id: 1, body, attachment };
  };
  const packed = (bytes: number): Buffer => deflateRawSync(Buffer.alloc(bytes));

  test('is what it was once it is unpacked', () => {
    const sent = {
      kind: FRAME_KINDS.data,
      flags: FLAGS.compressed,
      number: 7,
      id: 9,
      body: text(50),
      attachment: [text(3_000), NOTHING, text(9)],
    };
    const { body, attachment, ...rest } = pack(sent);
    expect((attachment as Buffer).length).toBeLessThan(200);
    const got = unpack({ ...rest, body: Buffer.from(body), attachment: attachment as Buffer } as Frame, FRAME_LIMITS) as Frame;
    expect(got).toMatchObject({ kind: FRAME_KINDS.data, number: 7, id: 9 });
    expect(got.body.equals(sent.body)).toBe(true);
    expect(got.attachment.equals(Buffer.concat(sent.attachment))).toBe(true);
  });

  test.each<[string, Frame, RegExp]>([
    ['says more than any may be', frameOf([0, 0xffff_ffff], packed(10)), /the limit is/],
    ['says more together than any may be', frameOf([5 << 20, 5 << 20], packed(10)), /the limit is/],
    ['says nothing', frameOf([0, 0], packed(10)), /of nothing/],
    ['is larger than it says', frameOf([10, 90], packed(64 << 20)), /larger than the 100 bytes/],
    ['is one byte larger than it says', frameOf([10, 90], packed(101)), /of 101 bytes that says 100/],
    ['is smaller than it says', frameOf([10, 90], packed(99)), /of 99 bytes that says 100/],
    ['is cut', frameOf([0, 10_000], packed(10_000).subarray(0, 10)), /cut/],
    ['is no DEFLATE', frameOf([0, 1_000], Buffer.alloc(100, 0xff)), /damaged/],
    ['is empty', frameOf([0, 1_000], NOTHING), /cut/],
    ['goes on behind its end', frameOf([10, 90], Buffer.concat([packed(100), Buffer.from('more')])), /4 bytes behind its end/],
    ['has no sizes', { ...frameOf([0, 1], packed(1)), body: NOTHING }, /sizes/],
  ])('that %s is refused', (_name, frame, problem) => {
    expect(unpack(frame, FRAME_LIMITS)).toMatch(problem);
  });

  test('before hello may not become large either', () => {
    expect(unpack(frameOf([100, 5_000], packed(5_100)), HELLO_LIMITS)).toMatch(/the limit is 4096/);
  });

  test('that is a bomb costs its sender the connection, with the reason, and nobody else anything', async () => {
    const server = await serve({ guard: 'none', address: 'tcp://127.0.0.1:0', implementations: [new EchoHandlers().implementation()] });
    cleanups.push(() => server.close({ graceMs: 0 }));
    const client = createKuafuClient();
    cleanups.push(() => client.close());
    const echo = client.service(echoService, server.address);
    expect(await echo.echo({ text: 'before' })).toEqual({ text: 'before' });
    const channel = await tcpTransport.connect(server.address, new AbortController().signal);
    const reasons: Buffer[] = [];
    const closed = new Promise<void>((resolve) =>
      channel.start({
        frame: ({ kind, body }) => void (kind === FRAME_KINDS.goAway && reasons.push(Buffer.from(body))),
        violated() {},
        closed: () => resolve(),
      }),
    );
    channel.send({ kind: FRAME_KINDS.hello, id: 0, body: encodeBody({ magic: MAGIC, version: VERSION, windowBytes: 1 }) });
    const bomb = frameOf([0, 1_000_000], packed(64 << 20));
    channel.send({ ...bomb, id: 1 });
    await closed;
    expect(Buffer.concat(reasons).toString()).toMatch(/larger than the 1000000 bytes/);
    expect(await echo.echo({ text: 'after' })).toEqual({ text: 'after' });
  });
});

describe('a channel that compresses', () => {
  function channelWith() {
    const sent: OutgoingFrame[] = [];
    let onSent: () => void = () => {};
    const closes: (string | undefined)[] = [];
    const inner: Channel = {
      peer: '',
      receivedBytes: 0,
      unsentBytes: 0,
      start(_events: ChannelEvents) {},
      setLimits() {},
      setReferenced() {},
      send(frame) {
        sent.push(frame);
        onSent();
      },
      withdraw: () => false,
      close(reason) {
        closes.push(reason);
        onSent();
      },
    };
    const channel = new CompressingChannel(inner);
    channel.start({ frame() {}, violated() {}, closed() {} });
    const until = async (isSo: () => boolean): Promise<void> => {
      while (!isSo()) await new Promise<void>((resolve) => (onSent = resolve));
    };
    return { channel, sent, closes, until };
  }
  const large = (id: number, number: number): OutgoingFrame => ({
    kind: FRAME_KINDS.data,
    flags: FLAGS.compressed,
    id,
    number,
    body: NOTHING,
    attachment: text(200_000),
  });
  const small = (id: number, number: number): OutgoingFrame => ({
    kind: FRAME_KINDS.data,
    flags: FLAGS.compressed,
    id,
    number,
    body: text(10),
  });

  test('keeps the frames of each call in order, and lets other calls pass', async () => {
    const { channel, sent, until } = channelWith();
    for (const frame of [large(1, 0), small(1, 1), large(1, 2), small(1, 3), small(2, 0)]) channel.send(frame);
    expect(sent.map(({ id }) => id)).toEqual([2]);
    await until(() => sent.length === 5);
    expect(sent.filter(({ id }) => id === 1).map(({ number }) => number)).toEqual([0, 1, 2, 3]);
    expect(sent.map(({ flags, id }) => `${id}:${flags}`)).toEqual(['2:0', '1:1', '1:0', '1:1', '1:0']);
  });

  test('sends what was given to it before it closes, unless there is a reason not to', async () => {
    const { channel, sent, closes, until } = channelWith();
    channel.send(large(1, 0));
    channel.close();
    channel.send(small(2, 0)); // too late
    expect(closes).toEqual([]);
    await until(() => closes.length === 1);
    expect(sent.map(({ id }) => id)).toEqual([1]);
    const other = channelWith();
    other.channel.send(large(1, 0));
    other.channel.close('nonsense');
    expect(other.closes).toEqual(['nonsense']);
  });

  test('takes back a request that is still being packed', async () => {
    const { channel, sent, until } = channelWith();
    channel.send({ ...large(1, 0), kind: FRAME_KINDS.request });
    channel.send(large(2, 0));
    expect(channel.withdraw(1)).toBe(true);
    expect(channel.withdraw(2)).toBe(false); // what began it has gone
    channel.send(large(3, 0));
    await until(() => sent.length === 1);
    expect(sent.map(({ id }) => id)).toEqual([3]);
  });
});
