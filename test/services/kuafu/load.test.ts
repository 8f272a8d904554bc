import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import { defineService, type KuafuClient, KuafuError, method, PRIORITIES, type Resolver } from '../../../services/kuafu/contract.ts';
import { FLAGS, FRAME_KINDS, FRAME_LIMITS } from '../../../services/kuafu/core/frame.ts';
import { totals } from '../../../services/kuafu/meter.ts';
import { implement, type ServerLimits, serve } from '../../../services/kuafu/server.ts';
import { FrameReader } from '../../../services/kuafu/transports/frame-reader.ts';
import { SocketChannel } from '../../../services/kuafu/transports/socket-channel.ts';
import { EchoError, EchoHandlers, echoService } from './echo.ts';

/** What goes first, and where calls go, when there is more than can be done or an instance fails. */
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function newClient(resolver?: Resolver): KuafuClient {
  const client = createKuafuClient({ resolver });
  cleanups.push(() => client.close());
  return client;
}

describe('priorities', () => {
  async function start(limits: ServerLimits) {
    const handlers = new EchoHandlers();
    const server = await serve({ guard: 'none', address: 'tcp://127.0.0.1:0', implementations: [handlers.implementation()], limits });
    cleanups.push(() => server.close({ graceMs: 0 }));
    return { handlers, echo: newClient().service(echoService, server.address) };
  }

  test('reach the handler', async () => {
    const { echo, handlers } = await start({});
    for (const priority of PRIORITIES) {
      const call = echo.wait({ name: priority }, { priority });
      await handlers.untilWaiting(1);
      const { context, release } = handlers.waiting.get(priority)!;
      expect(context.priority).toBe(priority);
      handlers.waiting.clear();
      release();
      await call;
    }
  });

  test.each<keyof ServerLimits>(['callsMax', 'callsPerConnectionMax'])(
    'on a loaded server low is refused first, then normal, and high has room that nobody else gets (%s)',
    async (bound) => {
      const { echo, handlers } = await start({ [bound]: 32 });
      let next = 0;
      /** Fills up with calls of one priority until there is no more room for them; how many are under way then. */
      const fill = async (priority: (typeof PRIORITIES)[number]): Promise<number> => {
        for (;;) {
          const { size } = handlers.waiting;
          const call = echo.wait({ name: `${next++}` }, { priority, timeoutMs: 60_000 });
          const refused = call.then(
            () => {},
            () => {},
          );
          const probe = echo.whoOnce({}, { priority, timeoutMs: 5 }).catch((error: KuafuError) => error);
          await Promise.race([handlers.untilWaiting(size + 1), probe, refused]);
          const answer = await probe;
          if (answer instanceof KuafuError && answer.code === 'Overloaded') return handlers.waiting.size;
          await handlers.untilWaiting(size + 1);
        }
      };
      expect(await fill('low')).toBe(16);
      expect(await fill('normal')).toBe(30);
      expect(await fill('high')).toBe(32);
      for (const { release } of handlers.waiting.values()) release();
    },
  );

  test('on a connection whose peer is slow to read high goes first and low last', async () => {
    // A peer that does not read until it is told to.
    const server = createServer({ pauseOnConnect: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => server.close());
    const accepted = once(server, 'connection');
    const nearReader = new FrameReader();
    const socket = connect({ port: (server.address() as { port: number }).port, host: '127.0.0.1', onread: nearReader.onread });
    const [far] = await accepted;
    await once(socket, 'connect');
    const near = new SocketChannel(socket, nearReader, 'far', { pauses: false });
    cleanups.push(() => near.close('done'));
    near.start({ frame() {}, violated() {}, closed() {} });

    const bulk = (id: number, flags: number): void =>
      near.send({ kind: FRAME_KINDS.request, id, flags, body: Buffer.alloc(0), attachment: Buffer.alloc(8 << 20) });
    const small = (id: number, flags: number): void => near.send({ kind: FRAME_KINDS.request, id, flags, body: Buffer.alloc(10) });
    bulk(1, 0); // fills the pipe
    bulk(2, FLAGS.low);
    bulk(3, 0);
    small(4, FLAGS.low);
    bulk(5, FLAGS.high);
    small(6, 0);
    small(7, FLAGS.high);

    const reader = new FrameReader();
    const order: number[] = [];
    let onFrame: () => void = () => {};
    reader.start(
      ({ id }) => {
        order.push(id);
        onFrame();
      },
      (problem) => {
        throw new Error(problem);
      },
    );
    reader.limits = FRAME_LIMITS;
    far.on('data', (chunk: Buffer) => reader.read(chunk));
    far.resume();
    while (order.length < 7) await new Promise<void>((resolve) => (onFrame = resolve));
    expect(order).toEqual([1, 6, 7, 5, 3, 2, 4]);
    far.destroy();
  });
});

describe('a breaker', () => {
  const flakyService = defineService('flaky', {
    errors: EchoError,
    methods: { who: method({ request: z.object({}), response: z.object({ who: z.string() }), idempotent: true }) },
  });

  test('leaves an instance alone that says it cannot, asks it again with one call, and goes back when it can', async () => {
    const asked = { sick: 0, well: 0 };
    let sick = true;
    const start = async (who: 'sick' | 'well') => {
      const server = await serve({
        guard: 'none',
        address: 'tcp://127.0.0.1:0',
        implementations: [
          implement(flakyService, {
            who: async () => {
              asked[who]++;
              if (who === 'sick' && sick) throw new KuafuError('Unavailable', 'what I stand on is away', { details: { notRun: true } });
              return { who };
            },
          }),
        ],
      });
      cleanups.push(() => server.close({ graceMs: 0 }));
      return server.address;
    };
    const addresses = [await start('sick'), await start('well')];
    const flaky = newClient({ resolve: async () => addresses, suspect: () => {} }).service(flakyService, 'nuwa://test/flaky/');
    const before = totals.breakersOpened;
    for (let i = 0; i < 100; i++) expect(await flaky.who({})).toEqual({ who: 'well' });
    // Three that failed opened it, and a machine that is slow enough may have seen a probe.
    expect(asked.sick).toBeGreaterThanOrEqual(3);
    expect(asked.sick).toBeLessThan(10);
    expect(totals.breakersOpened - before).toBeGreaterThanOrEqual(1);
    sick = false;
    await expect.poll(async () => (await flaky.who({})).who, { timeout: 20_000, interval: 10 }).toBe('sick');
  });

  test("does not mind a service's own errors, however many", async () => {
    let asked = 0;
    const handlers = new EchoHandlers('refuses');
    const server = await serve({
      guard: 'none',
      address: 'tcp://127.0.0.1:0',
      implementations: [
        implement(flakyService, {
          who: async () => {
            asked++;
            throw new EchoError('NotToday', 'a fair answer');
          },
        }),
      ],
    });
    cleanups.push(() => server.close({ graceMs: 0 }));
    const other = await serve({ guard: 'none', address: 'tcp://127.0.0.1:0', implementations: [handlers.implementation()] });
    cleanups.push(() => other.close({ graceMs: 0 }));
    const addresses = [server.address, other.address];
    const flaky = newClient({ resolve: async () => addresses, suspect: () => {} }).service(flakyService, 'nuwa://test/flaky/');
    const before = totals.breakersOpened;
    for (let i = 0; i < 40; i++) await flaky.who({}).catch(() => {});
    expect(asked).toBe(20);
    expect(totals.breakersOpened).toBe(before);
  });
});
