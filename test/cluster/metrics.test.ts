import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failureOf, httpTokenOf, joinAsAdmin, openCluster, resultOf, type TestCluster } from '../helpers/cluster.ts';
import { bearer, readingOf, type Series, scrape, type Target, targetsOf } from '../helpers/scrape.ts';
import { feitian } from '../infra/feitian.ts';
import { webhook } from '../services/shennong/alert-messages.ts';

/** What Prometheus would see of a whole cluster, in the way that Prometheus sees it: from Shennong's list of targets. */
let test: TestCluster;
let shennong: string;
let token: string;

beforeAll(async () => {
  test = await openCluster({ nodes: 3, together: false });
  token = await httpTokenOf(test);
  const { info } = test.cluster;
  const member = await joinAsAdmin(info, 'test');
  const { children } = await member.nuwa.list('/services/shennong');
  await member.leave();
  shennong = JSON.parse(Buffer.from(children[0]!.value).toString()).attributes.http.replace('http://', '');
}, 120_000);
afterAll(() => test?.stop());

const targets = () => targetsOf(shennong, token);
const named = ({ labels }: Target) => [labels.role, labels.node].filter(Boolean).join(' ');

async function told(role: string): Promise<Series[]> {
  const found = (await targets()).filter(({ labels }) => labels.role === role);
  return (await Promise.all(found.map(({ targets }) => scrape(targets[0], token)))).flat();
}

describe('the processes of a cluster', () => {
  it('are all targets, with Temporal among them', async () => {
    const ofNodes = ['node-1', 'node-2', 'node-3'].flatMap((node) => [`pangu-chunk ${node}`, `tubo ${node}`]);
    const others = ['dayu-master', 'fuxi-master', 'nuwa', 'pangu-master', 'shennong', 'temporal', 'worker'];
    await expect.poll(async () => (await targets()).map(named).sort(), { timeout: 20_000 }).toEqual([...ofNodes, ...others].sort());
    for (const { labels } of await targets()) if (labels.node) expect(labels.rack).toBe(labels.node === 'node-3' ? 'rack-b' : 'rack-a');
  });

  it('tell what a write and a job did', async () => {
    await test.pangu.writeFile('/in/text', Buffer.from('one\ntwo\nthree\n'), { parents: true });
    const chunks = await told('pangu-chunk');
    expect(readingOf(chunks, 'feitian_pangu_written_bytes_total')).toBe(3 * 14);
    const job = (name: string, command: string[]) => ({
      name,
      tasks: { map: { run: { command }, retry: { maxAttempts: 2 } } },
      pipes: [
        { source: { filePattern: 'pangu://local/in/*' }, destination: { accessPoint: 'map:input' } },
        { source: { accessPoint: 'map:output' }, destination: { filePattern: `pangu://local/out/${name}/` } },
      ],
    });
    await resultOf(await test.submit(job('good', ['cat'])));
    await failureOf(await test.submit(job('bad', ['false'])));

    const tubos = await told('tubo');
    expect(readingOf(tubos, 'feitian_fuxi_attempts_total', { outcome: 'done' })).toBe(1);
    expect(readingOf(tubos, 'feitian_fuxi_attempts_total', { outcome: 'failed' })).toBe(2);
    expect(readingOf(tubos, 'feitian_fuxi_attempt_duration_seconds_count')).toBe(1);
    expect(readingOf(tubos, 'feitian_fuxi_attempt_bytes_total', { direction: 'in' })).toBe(14);
    expect(readingOf(await told('fuxi-master'), 'feitian_fuxi_grants_total')).toBeGreaterThanOrEqual(2);

    const worker = await told('worker');
    for (const outcome of ['done', 'failed']) {
      expect(readingOf(worker, 'feitian_fuxi_jobs_total', { outcome })).toBe(1);
      expect(readingOf(worker, 'feitian_fuxi_tasks_total', { outcome })).toBe(1);
    }
    expect(readingOf(worker, 'feitian_fuxi_jobs_total', { outcome: 'cancelled' })).toBe(0);
    expect(readingOf(worker, 'feitian_fuxi_instances_total')).toBe(1);
    expect(readingOf(worker, 'feitian_fuxi_retries_total')).toBe(1);
    // The SDK's own, in the same answer.
    expect(readingOf(worker, 'temporal_workflow_completed')).toBeGreaterThanOrEqual(2);
    await expect
      .poll(async () => readingOf(await told('shennong'), 'feitian_temporal_workflows', { type: 'fuxiJob', status: 'Failed' }), {
        timeout: 25_000,
      })
      .toBe(1);
  }, 90_000);

  it('tell of the machine', async () => {
    const [tubo] = (await targets()).filter(({ labels }) => labels.role === 'tubo');
    const machine = await scrape(tubo!.targets[0], token);
    const value = (name: string, labels: Record<string, string> = {}) => readingOf(machine, `feitian_node_${name}`, labels)!;
    expect(value('cpu_seconds_total', { mode: 'user' })).toBeGreaterThan(0);
    expect(value('memory_bytes', { kind: 'available' })).toBeLessThan(value('memory_bytes', { kind: 'total' }));
    expect(value('disk_bytes', { kind: 'free' })).toBeLessThan(value('disk_bytes', { kind: 'total' }));
    expect(value('cpus')).toBeGreaterThan(0);
    if (process.platform === 'linux') expect(value('network_bytes_total', { direction: 'in' })).toBeGreaterThan(0);
  });

  it('are missed when a node goes, and found again when it is back', async () => {
    const up = async () => readingOf(await told('shennong'), 'feitian_node_up', { node: 'node-2' });
    const short = async () => readingOf(await told('pangu-master'), 'feitian_pangu_chunks_under_replicated');
    expect(await up()).toBe(1);
    expect(await short()).toBe(0);
    await test.cluster.holdNode('node-2');
    await expect.poll(up, { timeout: 15_000 }).toBe(0);
    await expect.poll(short, { timeout: 20_000 }).toBeGreaterThan(0);
    await expect.poll(async () => (await targets()).filter(({ labels }) => labels.node === 'node-2'), { timeout: 15_000 }).toEqual([]);
    await test.cluster.releaseNode('node-2');
    await expect.poll(up, { timeout: 20_000 }).toBe(1);
    await expect.poll(short, { timeout: 20_000 }).toBe(0);
    await expect
      .poll(async () => (await targets()).filter(({ labels }) => labels.node === 'node-2').map(named), { timeout: 15_000 })
      .toEqual(['pangu-chunk node-2', 'tubo node-2']);
  }, 90_000);

  it('keep the address of Shennong when it is killed', async () => {
    const { pid } = await test.cluster.kill('shennong');
    await test.cluster.awaitRestart('shennong', undefined, pid!);
    expect((await fetch(`http://${shennong}/healthz`)).status).toBe(200);
  });
});

it('nobody is told without the token of the cluster', async () => {
  const [target] = (await targets()).filter(({ labels }) => labels.role === 'worker');
  for (const wrong of [undefined, '', 'x', `${token}x`, token.slice(1)]) {
    expect((await fetch(`http://${target!.targets[0]}/metrics`, bearer(wrong))).status).toBe(401);
    expect((await fetch(`http://${shennong}/sd`, bearer(wrong))).status).toBe(401);
    expect((await fetch(`http://${shennong}/events`, bearer(wrong))).status).toBe(401);
    const body = JSON.stringify(webhook());
    expect((await fetch(`http://${shennong}/alerts`, { ...bearer(wrong), method: 'POST', body })).status).toBe(401);
  }
});

describe('feitian events', () => {
  const verb = (...args: string[]) => feitian(['events', '--dir', test.dir, ...args]);

  it('says so when there are none', async () => {
    expect(await verb()).toMatchObject({ code: 0, stdout: 'no alert has fired\n' });
  });

  it('shows what Alertmanager sent, and as JSON all of it', async () => {
    const body = JSON.stringify(webhook());
    expect((await fetch(`http://${shennong}/alerts`, { ...bearer(token), method: 'POST', body })).status).toBe(200);
    const { stdout } = await verb();
    expect(stdout.split('\n')[0]).toMatch(/^time +alert +severity +node +state +summary$/);
    expect(stdout.split('\n')[1]).toMatch(/^2026-03-01 .* +NodeDown +critical +node-3 +firing +node-3 is down$/);
    const json = JSON.parse((await verb('--json', '--limit', '1')).stdout);
    expect(json.events).toMatchObject([{ alert: 'NodeDown', labels: { rack: 'rack-b' } }]);
  });

  it.each(['0', '-1', '1001', 'many'])('refuses --limit %s', async (limit) => {
    expect(await verb(`--limit=${limit}`)).toMatchObject({ code: 2, stdout: '' });
  });
});
