import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { processRegistry } from '../../../services/base/metrics.ts';
import { createKuafuClient } from '../../../services/kuafu/client.ts';
import type { KuafuServer, ServiceClient } from '../../../services/kuafu/contract.ts';
import { serve } from '../../../services/kuafu/server.ts';
import { tellKuafu } from '../../../services/kuafu/tell.ts';
import { parseMetrics, readingOf, type Series } from '../../helpers/scrape.ts';
import { EchoHandlers, echoService } from './echo.ts';
import { StreamerHandlers, streamerService } from './streamer.ts';

/** Client and server are in this process, so it tells both sides of every call. */
const handlers = new EchoHandlers();
const streamers = new StreamerHandlers();
const client = createKuafuClient();
let server: KuafuServer;
let echo: ServiceClient<typeof echoService>;
let before: Series[];

const told = async () => parseMetrics(await processRegistry.metrics());
async function rise(name: string, labels: Record<string, string> = {}): Promise<number> {
  return (readingOf(await told(), name, labels) ?? 0) - (readingOf(before, name, labels) ?? 0);
}
const calls = (side: string, method: string, code: string) => rise('feitian_kuafu_calls_total', { side, service: 'echo', method, code });

beforeAll(async () => {
  tellKuafu();
  server = await serve({
    address: 'tcp://127.0.0.1:0',
    implementations: [handlers.implementation(), streamers.implementation()],
    limits: { callsMax: 2 },
  });
  echo = client.service(echoService, server.address);
});
beforeEach(async () => {
  before = await told();
});
afterEach(() => handlers.waiting.clear());
afterAll(async () => {
  await client.close();
  await server.close({ graceMs: 0 });
});

test('a call is counted once on each side, with its time', async () => {
  for (let i = 0; i < 5; i++) await echo.echo({ text: 'x' });
  for (const side of ['client', 'server']) {
    expect(await calls(side, 'echo', 'OK')).toBe(5);
    const histogram = { side, service: 'echo', method: 'echo' };
    expect(await rise('feitian_kuafu_call_duration_seconds_count', histogram)).toBe(5);
    expect(await rise('feitian_kuafu_call_duration_seconds_bucket', { ...histogram, le: '+Inf' })).toBe(5);
    const seconds = await rise('feitian_kuafu_call_duration_seconds_sum', histogram);
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(5);
  }
});

test.each([
  ['typed', 'NotToday'],
  ['bug', 'Internal'],
  ['sync', 'Internal'],
] as const)('a call that fails is counted under its code: %s', async (how, code) => {
  await expect(echo.fail({ how })).rejects.toThrow();
  expect(await calls('server', 'fail', code)).toBe(1);
  expect(await calls('client', 'fail', code)).toBe(1);
});

test('a request that does not fit is counted by its method, one for a method that is not there is not', async () => {
  await expect(echo.echo({ text: 'x'.repeat(100_001) })).rejects.toThrow('InvalidRequest');
  expect(await calls('server', 'echo', 'InvalidRequest')).toBe(1);
  const { who } = echoService.methods;
  const other = client.service({ ...echoService, methods: { nowhere: who } }, server.address);
  await expect(other.nowhere({})).rejects.toThrow('Unimplemented');
  expect(await rise('feitian_kuafu_calls_total', { side: 'server', code: 'Unimplemented' })).toBe(1);
  expect(await calls('server', 'nowhere', 'Unimplemented')).toBe(0);
});

test('calls under way, open connections and refusals show', async () => {
  const waiting = [echo.wait({ name: 'a' }), echo.wait({ name: 'b' })];
  await handlers.untilWaiting(2);
  expect(await rise('feitian_kuafu_calls_in_flight')).toBe(2);
  expect(readingOf(await told(), 'feitian_kuafu_connections', { side: 'client' })).toBe(1);
  expect(readingOf(await told(), 'feitian_kuafu_connections', { side: 'server' })).toBe(1);
  await expect(echo.whoOnce({}, { timeoutMs: 30 })).rejects.toThrow('Overloaded');
  expect(await rise('feitian_kuafu_calls_total', { side: 'server', code: 'Overloaded' })).toBeGreaterThanOrEqual(1);
  // However often it was tried, it is one call.
  expect(await calls('client', 'whoOnce', 'Overloaded')).toBe(1);
  for (const { release } of handlers.waiting.values()) release();
  await Promise.all(waiting);
  expect(await rise('feitian_kuafu_calls_in_flight')).toBe(0);
});

test('a caller that gives up is counted as cancelled on both sides', async () => {
  const giveUp = new AbortController();
  const call = echo.wait({ name: 'c' }, { signal: giveUp.signal });
  await handlers.untilWaiting(1);
  const { length } = handlers.aborted;
  giveUp.abort();
  await expect(call).rejects.toThrow('Cancelled');
  await handlers.untilAborted(length + 1);
  await expect.poll(() => calls('server', 'wait', 'Cancelled')).toBe(1);
  expect(await calls('client', 'wait', 'Cancelled')).toBe(1);
});

test('nobody at the other end is counted at the client alone', async () => {
  await expect(client.service(echoService, 'tcp://127.0.0.1:1').whoOnce({}, { timeoutMs: 200 })).rejects.toThrow('Unavailable');
  expect(await calls('client', 'whoOnce', 'Unavailable')).toBe(1);
  expect(await calls('server', 'whoOnce', 'Unavailable')).toBe(0);
});

test('bytes are those of the frames, in both directions', async () => {
  await echo.blob({ bytes: Buffer.alloc(300_000) });
  for (const direction of ['in', 'out']) {
    const bytes = await rise('feitian_kuafu_bytes_total', { direction });
    expect(bytes).toBeGreaterThan(600_000);
    expect(bytes).toBeLessThan(602_000);
  }
});

test('bytes are told by method, at both sides', async () => {
  await echo.mirror({ pieces: 1 }, { attachment: Buffer.alloc(10_000) });
  for (const side of ['client', 'server'])
    for (const direction of ['in', 'out']) {
      const bytes = await rise('feitian_kuafu_method_bytes_total', { side, service: 'echo', method: 'mirror', direction });
      expect(bytes).toBeGreaterThan(10_000);
      expect(bytes).toBeLessThan(10_100);
    }
});

test('messages of streams are told, and sends that wait for credit with their time', async () => {
  const streamer = client.service(streamerService, server.address);
  const sum = streamer.sum({});
  for (let i = 0; i < 30; i++) await sum.send({ i }, Buffer.alloc(1_000));
  sum.end();
  await sum.reply;
  const labels = { service: 'streamer', method: 'sum' };
  expect(await rise('feitian_kuafu_stream_messages_total', { ...labels, side: 'client', direction: 'out' })).toBe(30);
  expect(await rise('feitian_kuafu_stream_messages_total', { ...labels, side: 'server', direction: 'in' })).toBe(30);
  expect(await rise('feitian_kuafu_method_bytes_total', { ...labels, side: 'server', direction: 'in' })).toBeGreaterThan(30_000);
  expect(await rise('feitian_kuafu_calls_total', { ...labels, side: 'server', code: 'OK' })).toBe(1);

  const stalled = streamer.deaf({ name: 'stalled' });
  await streamers.untilWaiting('stalled');
  const waiting = stalled.send({ i: 1 }, Buffer.alloc(300_000));
  const side = { service: 'streamer', method: 'deaf', side: 'client' };
  expect(await rise('feitian_kuafu_credit_waiting', side)).toBe(1);
  await expect.poll(() => rise('feitian_kuafu_unread_bytes')).toBeGreaterThan(300_000);
  streamers.waiting.get('stalled')!.release();
  await stalled.reply;
  await expect(waiting).rejects.toThrow('has replied');
  expect(await rise('feitian_kuafu_credit_waiting', side)).toBe(0);
  expect(await rise('feitian_kuafu_credit_waits_total', side)).toBe(1);
  expect(await rise('feitian_kuafu_credit_wait_seconds_total', side)).toBeGreaterThan(0);
  expect(await rise('feitian_kuafu_unread_bytes')).toBe(0);
});
