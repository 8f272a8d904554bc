import { afterEach, beforeEach, expect, test } from 'vitest';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import type { KuafuClient, KuafuServer, ServiceClient } from '../../../services/kuafu/contract.ts';
import { meterOf, totals } from '../../../services/kuafu/meter.ts';
import { serve } from '../../../services/kuafu/server.ts';
import { EchoHandlers, echoService } from './echo.ts';

/** Calls that are asked of a second instance when the first is late: over real sockets, the late one held by hand. */
const cleanups: (() => unknown)[] = [];
let before: typeof totals;
beforeEach(() => {
  before = { ...totals };
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
const rise = (key: 'hedgesWon' | 'hedgesLost' | 'hedgesWithheld'): number => totals[key] - before[key];

interface Started {
  server: KuafuServer;
  handlers: EchoHandlers;
}

async function startServer(who: string): Promise<Started> {
  const handlers = new EchoHandlers(who);
  const server = await serve({ guard: 'none', address: 'tcp://127.0.0.1:0', implementations: [handlers.implementation()] });
  cleanups.push(() => server.close({ graceMs: 0 }));
  return { server, handlers };
}

function clientOf(...started: Started[]): KuafuClient {
  const addresses = started.map(({ server }) => server.address);
  const client = createKuafuClient({ resolver: { resolve: async () => addresses, suspect: () => {} } });
  cleanups.push(() => client.close());
  return client;
}

/** The two servers, the one that the next call goes to standing first: calls go round. */
async function inTurn(echo: ServiceClient<typeof echoService>, a: Started, b: Started): Promise<[Started, Started]> {
  const { who } = await echo.who({});
  return who === 'a' ? [b, a] : [a, b];
}

test("a late call is asked of a second instance; its answer counts, and the first one's handler is told", async () => {
  const [a, b] = [await startServer('a'), await startServer('b')];
  const echo = clientOf(a, b).service(echoService, 'nuwa://test/echo/');
  const meter = meterOf('client', 'echo', 'waitAgain');
  const counted = { ok: meter.ok, failures: new Map(meter.failures) };
  const [first, second] = await inTurn(echo, a, b);
  const call = echo.waitAgain({ name: 'x' }, { hedgeAfterMs: 20 });
  await second.handlers.untilWaiting(1);
  second.handlers.waiting.get('x')!.release();
  await expect(call).resolves.toHaveProperty('remainingMs');
  await first.handlers.untilAborted(1);
  expect(first.handlers.aborted).toMatchObject([{ reason: { code: 'Cancelled' } }]);
  expect([rise('hedgesWon'), rise('hedgesLost')]).toEqual([1, 0]);
  // Two tries, one call.
  expect({ ok: meter.ok, failures: meter.failures }).toEqual({ ...counted, ok: counted.ok + 1 });
});

test('the first answer counts, also when it is that of the first instance after all', async () => {
  const [a, b] = [await startServer('a'), await startServer('b')];
  const echo = clientOf(a, b).service(echoService, 'nuwa://test/echo/');
  const [first, second] = await inTurn(echo, a, b);
  const call = echo.waitAgain({ name: 'x' }, { hedgeAfterMs: 20 });
  await second.handlers.untilWaiting(1);
  first.handlers.waiting.get('x')!.release();
  await call;
  await second.handlers.untilAborted(1);
  expect([rise('hedgesWon'), rise('hedgesLost')]).toEqual([0, 1]);
});

test('an instance that breaks is no answer: the other one is waited for', async () => {
  const [a, b] = [await startServer('a'), await startServer('b')];
  const echo = clientOf(a, b).service(echoService, 'nuwa://test/echo/');
  const [first, second] = await inTurn(echo, a, b);
  const call = echo.waitAgain({ name: 'x' }, { hedgeAfterMs: 20, tryTimeoutMs: 5_000 });
  await second.handlers.untilWaiting(1);
  await first.server.close({ graceMs: 0 });
  second.handlers.waiting.get('x')!.release();
  await expect(call).resolves.toHaveProperty('remainingMs');
});

test('what is answered in time, is not idempotent, or has nowhere else to go, is asked once', async () => {
  const [a, b] = [await startServer('a'), await startServer('b')];
  const echo = clientOf(a, b).service(echoService, 'nuwa://test/echo/');
  for (let i = 0; i < 10; i++) await echo.who({}, { hedgeAfterMs: 2_000 });
  expect(a.handlers.calls + b.handlers.calls).toBe(10);

  const [first] = await inTurn(echo, a, b);
  const once = echo.wait({ name: 'once' }, { hedgeAfterMs: 1 });
  await first.handlers.untilWaiting(1);
  await new Promise((resolve) => setTimeout(resolve, 50)); // time in which nothing may happen
  first.handlers.waiting.get('once')!.release();
  await once;
  expect(a.handlers.calls + b.handlers.calls).toBe(12);

  const alone = clientOf(a).service(echoService, 'nuwa://test/echo/');
  const calls = a.handlers.calls;
  const call = alone.waitAgain({ name: 'alone' }, { hedgeAfterMs: 1 });
  await a.handlers.untilWaiting(first === a ? 2 : 1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  a.handlers.waiting.get('alone')!.release();
  await call;
  expect(a.handlers.calls).toBe(calls + 1);
});

test('when all calls are late few are asked twice', async () => {
  const [a, b] = [await startServer('a'), await startServer('b')];
  const echo = clientOf(a, b).service(echoService, 'nuwa://test/echo/');
  const names = Array.from({ length: 200 }, (_, i) => `${i}`);
  const calls = names.map((name) => echo.waitAgain({ name }, { hedgeAfterMs: 30 }));
  // Of 200, ten that were kept and ten that were earned, which the kept ones left no room for.
  await expect.poll(() => rise('hedgesWithheld')).toBeGreaterThanOrEqual(180);
  await expect.poll(() => a.handlers.calls + b.handlers.calls).toBe(210);
  for (const { handlers } of [a, b]) for (const { release } of handlers.waiting.values()) release();
  await Promise.all(calls);
  expect(rise('hedgesWithheld')).toBe(190);
  expect(rise('hedgesWon') + rise('hedgesLost')).toBe(10);
});

test('a call that is given up gives up both its tries', async () => {
  const [a, b] = [await startServer('a'), await startServer('b')];
  const echo = clientOf(a, b).service(echoService, 'nuwa://test/echo/');
  const controller = new AbortController();
  const call = echo.waitAgain({ name: 'x' }, { hedgeAfterMs: 10, signal: controller.signal });
  await Promise.all([a.handlers.untilWaiting(1), b.handlers.untilWaiting(1)]);
  controller.abort(new Error('changed my mind'));
  await expect(call).rejects.toMatchObject({ code: 'Cancelled', cause: { message: 'changed my mind' } });
  await Promise.all([a.handlers.untilAborted(1), b.handlers.untilAborted(1)]);
  await expect(echo.waitAgain({ name: 'y' }, { hedgeAfterMs: 10, signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: 'Cancelled',
  });
});

test('a call that nobody answers fails with its deadline, once', async () => {
  const [a, b] = [await startServer('a'), await startServer('b')];
  const echo = clientOf(a, b).service(echoService, 'nuwa://test/echo/');
  await expect(echo.waitAgain({ name: 'x' }, { hedgeAfterMs: 10, timeoutMs: 100 })).rejects.toMatchObject({ code: 'DeadlineExceeded' });
  await Promise.all([a.handlers.untilAborted(1), b.handlers.untilAborted(1)]);
});
