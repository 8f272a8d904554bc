import { afterEach, beforeEach, expect, it } from 'vitest';
import { processRegistry } from '../../../services/base/metrics.ts';
import { NUWA_METRICS } from '../../../services/nuwa/metrics.ts';
import { bytes } from './core/tree/script.ts';
import { Harness } from './harness.ts';

let harness: Harness;

beforeEach(() => {
  harness = new Harness();
});
afterEach(() => harness.close());

async function told(): Promise<Map<string, number>> {
  const lines = (await processRegistry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line): [string, number] => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

it('a server tells all its metrics, with what it did', async () => {
  const server = await harness.server();
  const nuwa = await harness.client(server.address);
  await nuwa.create('/n', bytes(''));
  await nuwa.set('/n', bytes('x'));
  await nuwa.get('/n');
  const values = await told();
  const expected = {
    leader: 1,
    hasLeader: 1,
    writable: 1,
    term: 1,
    elections: 1,
    sessions: 1,
    nodes: 1,
    revision: 2,
    proposals: 3,
    commits: 3,
    sessionsExpired: 0,
  };
  for (const [name, value] of Object.entries(expected))
    expect([name, values.get(NUWA_METRICS[name as keyof typeof expected].name)]).toEqual([name, value]);
  expect(values.get('feitian_nuwa_members{part="voter"}')).toBe(1);
  expect(values.get('feitian_nuwa_commit_duration_seconds_count')).toBe(3);
  expect(values.get('feitian_nuwa_log_sync_duration_seconds_count')).toBeGreaterThan(3);
  expect(values.get('feitian_nuwa_reads_total')).toBeGreaterThanOrEqual(1);
  expect(values.get('feitian_nuwa_applied_index')).toBe(server.group.state.index);
  // Those with labels are told of peers, and this server has none.
  const names = new Set([...values.keys()].map((key) => key.replace(/\{.*|_(bucket|sum|count)$/g, '')));
  const silent = Object.values(NUWA_METRICS).filter(({ name }) => !names.has(name));
  expect(silent.map(({ name }) => name)).toEqual(['feitian_nuwa_peer_lag_entries', 'feitian_nuwa_peer_active']);
});

it('a leader tells how far each of the others is', async () => {
  await harness.group(3);
  const lags = [...(await told()).keys()].filter((key) => key.startsWith('feitian_nuwa_peer_lag_entries'));
  expect(lags.length).toBe(2);
});
