import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { migrateDatabase } from '../../../infra/database.ts';
import { silentLogger } from '../../../services/base/log.ts';
import { processRegistry } from '../../../services/base/metrics.ts';
import type { RoleConfig } from '../../../services/base/role.ts';
import { joinCluster } from '../../../services/nuwa/client.ts';
import { startNuwa } from '../../../services/nuwa/server.ts';
import { shennongService, type WorkflowCounter } from '../../../services/shennong/contract.ts';
import { startShennong } from '../../../services/shennong/server.ts';
import { type TestPostgres, withPostgres } from '../../helpers/postgres.ts';
import { parseMetrics, readingOf, targetsOf } from '../../helpers/scrape.ts';
import { startFeitian } from '../../infra/feitian.ts';
import { firing, webhook } from './alert-messages.ts';

let directory: string;
let postgres: TestPostgres;
let nuwa: Awaited<ReturnType<typeof startNuwa>>;
let member: Awaited<ReturnType<typeof joinCluster>>;
let shennong: Awaited<ReturnType<typeof startShennong>>;
/** What the workflow engine answers; none: it is away. */
let counts: Record<string, [status: string, count: number][]> | undefined = {};
const workflows: WorkflowCounter = {
  async count(type) {
    if (!counts) throw new Error('the engine is away');
    return new Map(counts[type] ?? []);
  },
};

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'feitian-test-shennong-'));
  postgres = await withPostgres();
  await migrateDatabase(postgres.url);
  const listen = 'tcp://127.0.0.1:0';
  nuwa = await startNuwa({ cluster: 'local', dataDir: join(directory, 'nuwa'), listen }, { log: silentLogger });
  member = await joinCluster({ cluster: 'local', nuwa: [nuwa.address], creator: 'test', log: silentLogger });
  const config: RoleConfig = { cluster: 'local', dataDir: directory, listen, nuwa: [nuwa.address], databaseUrl: postgres.url };
  shennong = await startShennong(config, { workflows, scrape: 'temporal=127.0.0.1:9233', log: silentLogger, countMs: 50 });
});
afterAll(async () => {
  await shennong?.stop();
  await member?.leave();
  await nuwa?.stop();
  await postgres?.stop();
  await rm(directory, { recursive: true, force: true });
});

const told = async () => parseMetrics(await processRegistry.metrics());
const roles = async () => (await targetsOf(shennong.http)).map(({ labels }) => labels.role);

describe('discovery', () => {
  test('follows processes as they come, are killed and come again', async () => {
    expect(await roles()).toEqual(['temporal']);
    const run = () =>
      startFeitian([
        'run',
        'pangu-chunk',
        '--insecure',
        '--data',
        join(directory, 'chunk'),
        '--nuwa',
        nuwa.address,
        '--node',
        'node-1',
        '--rack',
        'rack-b',
      ]);
    const first = run();
    await expect.poll(roles, { timeout: 20_000 }).toEqual(['pangu-chunk', 'temporal']);
    const [before] = await targetsOf(shennong.http);
    expect(before).toEqual({
      targets: [before!.labels.instance],
      labels: { role: 'pangu-chunk', node: 'node-1', rack: 'rack-b', instance: expect.stringMatching(/^127\.0\.0\.1:\d+$/) },
    });
    expect(readingOf(await told(), 'feitian_shennong_targets')).toBe(2);
    first.child.kill('SIGKILL');
    await first.ended;
    await expect.poll(roles, { timeout: 15_000 }).toEqual(['temporal']);
    const second = run();
    await expect.poll(roles, { timeout: 20_000 }).toEqual(['pangu-chunk', 'temporal']);
    expect((await targetsOf(shennong.http))[0]!.targets).not.toEqual(before!.targets);
    second.child.kill('SIGTERM');
    await second.ended;
    // One that ends in good order is gone at once.
    await expect.poll(roles, { timeout: 2_000 }).toEqual(['temporal']);
  });

  test('leaves out what is registered there and is no process', async () => {
    await member.nuwa.create('/services/metrics/odd', Buffer.from('no JSON'), { parents: true });
    const registration = await member.nuwa.register('metrics', 'fine', { address: 'http://10.0.0.1:9', attributes: { role: 'tubo' } });
    await expect.poll(roles).toEqual(['temporal', 'tubo']);
    await registration.unregister();
    await member.nuwa.delete('/services/metrics/odd');
    await expect.poll(roles).toEqual(['temporal']);
  });
});

test('a node is up while its Tubo is registered, down while it is not, and unknown once it has left', async () => {
  const up = async () => (await told()).filter(({ name }) => name === 'feitian_node_up').map(({ labels, value }) => ({ ...labels, value }));
  await member.nuwa.create('/nodes/node-9', Buffer.from('{"rack":"rack-a"}'), { parents: true });
  await expect.poll(up).toEqual([{ node: 'node-9', rack: 'rack-a', value: 0 }]);
  const tubo = await member.nuwa.register('tubo', 'node-9', { address: 'tcp://10.0.0.9:1' });
  await expect.poll(up).toEqual([{ node: 'node-9', rack: 'rack-a', value: 1 }]);
  await tubo.unregister();
  await expect.poll(up).toEqual([{ node: 'node-9', rack: 'rack-a', value: 0 }]);
  await member.nuwa.delete('/nodes/node-9');
  await expect.poll(up).toEqual([]);
});

test('workflows are told by type and status, and not at all while the engine is away', async () => {
  const failed = async () => readingOf(await told(), 'feitian_temporal_workflows', { type: 'fuxiJob', status: 'Failed' });
  counts = { fuxiJob: [['Failed', 3]] };
  await expect.poll(failed).toBe(3);
  expect(readingOf(await told(), 'feitian_temporal_workflows', { type: 'dayuRollout', status: 'Running' })).toBe(0);
  counts = undefined;
  await expect.poll(failed).toBeUndefined();
  counts = {};
  await expect.poll(failed).toBe(0);
});

describe('alerts', () => {
  const post = async (body: unknown) => {
    const answer = await fetch(`http://${shennong.http}/alerts`, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const events = async (limit = 100) => (await member.kuafu.service(shennongService, 'nuwa://local/shennong/').events({ limit })).events;
  let fingerprint: string;
  const records = async () => (await events()).filter((event) => event.fingerprint === fingerprint);
  let serial = 0;
  beforeEach(() => {
    fingerprint = `fingerprint-${++serial}`;
  });

  test('become records that are firing, then resolved, once each however often they are sent', async () => {
    expect(await post(webhook({ fingerprint }))).toEqual({ status: 200, body: { received: 1, changed: 1 } });
    expect((await post(webhook({ fingerprint }))).body).toEqual({ received: 1, changed: 0 });
    expect(await records()).toMatchObject([
      { alert: 'NodeDown', state: 'firing', node: 'node-3', severity: 'critical', summary: 'node-3 is down' },
    ]);
    const resolved = webhook({ fingerprint, status: 'resolved', endsAt: '2026-03-01T10:05:00Z' });
    expect((await post(resolved)).body).toEqual({ received: 1, changed: 1 });
    expect(await records()).toMatchObject([{ state: 'resolved', endsAtMs: Date.parse('2026-03-01T10:05:00Z') }]);
    // What comes late does not open it again.
    expect((await post(webhook({ fingerprint }))).body).toEqual({ received: 1, changed: 0 });
    expect(await records()).toMatchObject([{ state: 'resolved' }]);
    expect(readingOf(await told(), 'feitian_shennong_events_total', { alert: 'NodeDown', status: 'resolved' })).toBe(1);
  });

  test('that fire again later are records of their own, the newest first', async () => {
    await post(webhook({ fingerprint, startsAt: '2026-03-01T10:00:00Z' }));
    await post(webhook({ fingerprint, startsAt: '2026-03-02T10:00:00Z' }));
    expect((await records()).map(({ startsAtMs }) => new Date(startsAtMs).getUTCDate())).toEqual([2, 1]);
    // Whose end nobody told ended at the latest when it began anew.
    expect((await records()).map(({ state, endsAtMs }) => [state, endsAtMs])).toEqual([
      ['firing', undefined],
      ['resolved', Date.parse('2026-03-02T10:00:00Z')],
    ]);
    expect(await events(1)).toHaveLength(1);
    const { events: overHttp } = (await (await fetch(`http://${shennong.http}/events?limit=1`)).json()) as { events: unknown[] };
    expect(overHttp).toEqual(await events(1));
  });

  test('sent twice in one message are one record', async () => {
    const alert = { ...firing(), fingerprint };
    expect((await post({ ...webhook(), alerts: [alert, alert] })).status).toBe(200);
    expect(await records()).toHaveLength(1);
  });

  test('with texts that no database holds are kept, with a sign for what can not be', async () => {
    const body = JSON.stringify(webhook({ fingerprint })).replace('node-3 is down', 'a\\u0000b\\ud800c');
    expect((await post(body)).status).toBe(200);
    expect(await records()).toMatchObject([{ summary: 'a\ufffdb\ufffdc' }]);
  });

  test('sent by two at once are one record', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => post(webhook({ fingerprint }))));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(answers.reduce((sum, { body }) => sum + (body.changed as number), 0)).toBe(1);
    expect(await records()).toHaveLength(1);
  });

  test.each([
    ['no JSON', '{"version"', 'the body is not JSON'],
    ['no webhook', {}, 'version'],
    ['no time', webhook({ startsAt: 'noon' }), 'alerts.0.startsAt'],
  ])('that make no sense are refused with the reason, and leave nothing: %s', async (_, body, reason) => {
    const before = await events();
    const answer = await post(body);
    expect(answer.status).toBe(400);
    expect(answer.body.error).toContain(reason);
    expect(await events()).toEqual(before);
  });

  test('are refused for now while Postgres is away, and taken when they come again', async () => {
    await postgres.kill();
    expect(await post(webhook({ fingerprint }))).toEqual({ status: 503, body: { error: 'Postgres is away: send it again' } });
    await postgres.start();
    await expect.poll(() => post(webhook({ fingerprint })).then(({ status }) => status), { timeout: 10_000 }).toBe(200);
    expect(await records()).toHaveLength(1);
  });

  test('of more bytes than any message has are not read', async () => {
    expect((await post(`"${'x'.repeat(5 * 1024 * 1024)}"`)).status).toBe(413);
  });
});

test('HTTP says what is where', async () => {
  const get = async (path: string, method = 'GET') => (await fetch(`http://${shennong.http}${path}`, { method })).status;
  expect(await Promise.all([get('/healthz'), get('/nowhere'), get('/alerts'), get('/sd', 'POST'), get('/events?limit=0')])).toEqual([
    200, 404, 405, 405, 400,
  ]);
});

test.each(['//', 'http://[bad', '*', '/%', '/x?%'])('a request for %s is answered, and whoever was asked lives on', async (target) => {
  const [host, port] = shennong.http!.split(':');
  const status = await new Promise((resolve, reject) => {
    const socket = connect(Number(port), host, () => socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`));
    socket.once('data', (bytes) => resolve(String(bytes).split(' ')[1]));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('no answer')));
  });
  expect(status).toMatch(/^40[04]$/);
  expect((await fetch(`http://${shennong.http}/healthz`, { headers: { connection: 'close' } })).status).toBe(200);
});

test('targets that make no sense stop the role with a sentence', async () => {
  const config: RoleConfig = {
    cluster: 'local',
    dataDir: directory,
    listen: 'tcp://127.0.0.1:0',
    nuwa: [nuwa.address],
    databaseUrl: postgres.url,
  };
  await expect(startShennong(config, { workflows, scrape: 'temporal', log: silentLogger })).rejects.toThrow(
    '"temporal" is not <role>=<host>:<port>',
  );
});
