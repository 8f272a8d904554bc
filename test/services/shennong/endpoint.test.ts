import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../services/base/log.ts';
import { connectNuwa } from '../../../services/nuwa/client.ts';
import type { NuwaClient } from '../../../services/nuwa/contract.ts';
import { startMetricsEndpoint } from '../../../services/shennong/endpoint/server.ts';
import { readingOf, scrape } from '../../helpers/scrape.ts';
import { startFeitian } from '../../infra/feitian.ts';

/** Real processes of `feitian run`, as the launcher and a deployment start them. */
let directory: string;
const running: ReturnType<typeof startFeitian>[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'feitian-test-endpoint-'));
});
afterEach(async () => {
  for (const { child, ended } of running.splice(0)) {
    child.kill('SIGKILL');
    await ended;
  }
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function run(role: string, ...flags: string[]): ReturnType<typeof startFeitian> {
  const process = startFeitian(['run', role, '--data', join(directory, role), ...flags], {
    FEITIAN_LOG_LEVEL: 'info',
    FEITIAN_INSECURE: 'on',
  });
  running.push(process);
  return process;
}

async function registered(nuwa: NuwaClient): Promise<{ address: string; pid: number; node?: string; rack?: string; attributes: object }[]> {
  const { children } = await nuwa.list('/services/metrics').catch(() => ({ children: [] }));
  return children.map(({ value }) => JSON.parse(Buffer.from(value).toString()));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('a process of feitian run', () => {
  test('tells its metrics and is registered with its role and node, Nuwa itself included, as long as it lives', async () => {
    const port = await freePort();
    const first = run('nuwa', '--listen', `tcp://127.0.0.1:${port}`);
    await first.said(/metrics\.serving/);
    const nuwa = await connectNuwa({ addresses: [`tcp://127.0.0.1:${port}`], cluster: 'local', creator: 'test', log: silentLogger });
    const chunk = run('pangu-chunk', '--nuwa', `127.0.0.1:${port}`, '--node', 'node-7', '--rack', 'rack-c');
    await expect.poll(() => registered(nuwa).then((all) => all.length), { timeout: 20_000 }).toBe(2);

    const all = await registered(nuwa);
    const ofNuwa = all.find(({ pid }) => pid === first.child.pid)!;
    const ofChunk = all.find(({ pid }) => pid === chunk.child.pid)!;
    expect(ofNuwa.attributes).toEqual({ role: 'nuwa' });
    expect(ofChunk).toMatchObject({ node: 'node-7', rack: 'rack-c', attributes: { role: 'pangu-chunk' } });

    const told = await scrape(ofNuwa.address.replace('http://', ''));
    // Two processes with a registration each, a role that uses Nuwa, and this test.
    expect(readingOf(told, 'feitian_nuwa_sessions')).toBe(4);
    expect(readingOf(told, 'feitian_nuwa_leader')).toBe(1);
    expect(readingOf(told, 'feitian_kuafu_calls_total', { side: 'server', service: 'nuwa', method: 'openSession', code: 'OK' })).toBe(4);
    expect(readingOf(told, 'feitian_kuafu_call_duration_seconds_count', { side: 'server', method: 'openSession' })).toBe(4);
    expect(readingOf(told, 'feitian_kuafu_bytes_total', { direction: 'in' })).toBeGreaterThan(100);
    expect(readingOf(told, 'process_cpu_seconds_total')).toBeGreaterThan(0);
    expect(readingOf(await scrape(ofChunk.address.replace('http://', '')), 'feitian_pangu_disk_bytes', { kind: 'total' })).toBeGreaterThan(
      0,
    );

    chunk.child.kill('SIGKILL');
    await chunk.ended;
    await expect.poll(() => registered(nuwa).then((left) => left.map(({ pid }) => pid)), { timeout: 15_000 }).toEqual([first.child.pid]);
    first.child.kill('SIGTERM');
    expect((await first.ended).code).toBe(0);
    await nuwa.close();
  });

  test('is ready although its metrics port is taken, and tells them once it is free', async () => {
    const taker: Server = createServer();
    await new Promise<void>((resolve) => taker.listen(0, '127.0.0.1', resolve));
    const { port } = taker.address() as { port: number };
    const nuwa = run('nuwa', '--metrics', `127.0.0.1:${port}`);
    await nuwa.said(/metrics\.unserved/);
    await nuwa.said(/role\.ready/);
    await new Promise((resolve) => taker.close(resolve));
    await nuwa.said(/metrics\.serving/);
    expect(readingOf(await scrape(`127.0.0.1:${port}`), 'feitian_nuwa_leader')).toBe(1);
  });
});

test('an endpoint answers while Nuwa is away, and stops at once', async () => {
  const port = await freePort();
  const nowhere = await freePort();
  const endpoint = startMetricsEndpoint({
    listen: `127.0.0.1:${port}`,
    cluster: 'local',
    nuwa: [`tcp://127.0.0.1:${nowhere}`],
    role: 'worker',
    log: silentLogger,
  });
  await expect.poll(() => scrape(`127.0.0.1:${port}`).catch(() => []), { timeout: 5_000 }).not.toEqual([]);
  const stoppingAt = performance.now();
  await endpoint.stop();
  expect(performance.now() - stoppingAt).toBeLessThan(1_500);
  await expect(scrape(`127.0.0.1:${port}`)).rejects.toThrow();
});
