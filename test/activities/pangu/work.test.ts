import { randomBytes } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBalanceStep } from '../../../activities/pangu/balance-step.ts';
import { createDrainStep } from '../../../activities/pangu/drain-step.ts';
import { createPlanWork } from '../../../activities/pangu/plan-work.ts';
import { createRepairStep } from '../../../activities/pangu/repair-step.ts';
import type { ServiceClient } from '../../../services/kuafu/contract.ts';
import { fsck } from '../../../services/pangu/client.ts';
import { spreadOf } from '../../../services/pangu/core/spread.ts';
import { type MasterContract, masterService } from '../../../services/pangu/master-contract.ts';
import type { WorkStep } from '../../../services/pangu/work-contract.ts';
import { type PanguCluster, startPanguCluster } from '../../helpers/pangu-cluster.ts';

const KIB = 1024;
const soon = { timeout: 20_000, interval: 50 };

/** A real cluster; the steps run as a worker runs them, without a workflow. */
let cluster: PanguCluster;
let master: ServiceClient<MasterContract>;

async function openCluster(options: Parameters<typeof startPanguCluster>[0]): Promise<void> {
  cluster = await startPanguCluster(options);
  master = cluster.cluster.kuafu.service(masterService, 'nuwa://test/pangu-master/');
}
const run = <Request, Reply>(activity: (request: Request) => Promise<Reply>, request: Request): Promise<Reply> =>
  new MockActivityEnvironment().run(activity, request);
const problems = async (verify = false) => (await fsck(cluster.cluster.kuafu, 'test', { verify })).problems;
const entries = async (...kinds: Parameters<typeof master.ledger>[0]['kinds'] & object) =>
  (await master.ledger({ kinds, limit: 5_000 })).entries;
const bytesOf = (moved: { bytes: number }[]): number => moved.reduce((sum, { bytes }) => sum + bytes, 0);

describe('balance', () => {
  const nodes = ['n1', 'n2', 'n3', 'n4', 'n5'].map((id, i) => ({ id, rack: i === 2 || i === 3 ? 'r2' : 'r1' }));
  beforeAll(() => openCluster({ nodes }));
  afterAll(() => cluster?.stop());

  it('brings an empty node that joins four filled ones within five percent, moves no byte twice, and every byte is right', async () => {
    await cluster.killChunkServer('n5');
    await expect.poll(async () => (await master.servers({})).servers.filter(({ up }) => up).length, soon).toBe(4);
    const contents = Array.from({ length: 40 }, () => randomBytes(4 * 64 * KIB));
    await Promise.all(
      contents.map((bytes, i) => cluster.pangu.writeFile(`/file-${i}`, bytes, { replicas: 3, chunkBytes: 64 * KIB, sync: false })),
    );
    await cluster.startChunkServer('n5');
    await expect.poll(async () => (await master.servers({})).servers.filter(({ up }) => up).length, soon).toBe(5);

    const nodesNow = async () => (await master.servers({})).servers.map(({ node: id, ...server }) => ({ id, ...server }));
    const plan = await run(createPlanWork({ panguMaster: master }), { kind: 'balance' as const, nodes: [] });
    expect(plan.nodes.find(({ id }) => id === 'n5')).toMatchObject({ bytes: 0 });
    expect(plan.nodes.find(({ id }) => id === 'n5')!.target).toBeGreaterThan(0);
    let step: WorkStep;
    const total = { replicas: 0, bytes: 0 };
    do {
      step = await run(createBalanceStep({ panguMaster: master }), { stepMs: 2_000, bytesPerSecond: 1e12 });
      total.replicas += step.replicas;
      total.bytes += step.bytes;
    } while (!step.done);

    expect(spreadOf(await nodesNow())).toBeLessThan(0.05);
    const moved = await entries('replicaMoved');
    expect(new Set(moved.map(({ chunk }) => chunk)).size).toBe(moved.length);
    expect({ replicas: moved.length, bytes: bytesOf(moved) }).toEqual(total);
    expect(bytesOf(moved)).toBeLessThanOrEqual(plan.bytes + 5 * 64 * KIB);
    for (const [i, bytes] of contents.entries()) expect((await cluster.pangu.readFile(`/file-${i}`)).equals(bytes)).toBe(true);
    expect((await problems(true)).filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(await run(createBalanceStep({ panguMaster: master }), { stepMs: 5_000 })).toMatchObject({ replicas: 0, done: true });
  }, 60_000);
});

describe('repair and drain', () => {
  beforeAll(async () => {
    await openCluster({ control: { watchMs: 50, mendMs: 50 } });
    // The control loop would be quicker.
    await master.claimRepair({ holder: 'test', forMs: 3_600_000 });
  });
  afterAll(() => cluster?.stop());

  it('makes again what a dead node held, once, at the pace that it is told, and leaves the rest when it is told to stop', async () => {
    const contents = Array.from({ length: 10 }, () => randomBytes(256 * KIB));
    await Promise.all(contents.map((bytes, i) => cluster.pangu.writeFile(`/file-${i}`, bytes, { replicas: 3 })));
    const { bytes: lost } = (await master.servers({})).servers.find(({ node }) => node === 'n2')!;
    await cluster.killChunkServer('n2');
    await master.setHealing({ settings: { deadAfterMs: 1 } });
    await expect.poll(async () => (await master.lacking({ limit: 1 })).bytes, soon).toBe(lost);
    const plan = await run(createPlanWork({ panguMaster: master }), { kind: 'repair' as const, nodes: [] });
    expect(plan).toMatchObject({ bytes: lost, byCopies: { 2: plan.replicas } });

    // At 64 KiB a second each chunk takes four seconds; it is told to stop when the first was copied.
    const environment = new MockActivityEnvironment();
    environment.on('heartbeat', (total: { replicas: number }) => {
      if (total.replicas > 0) environment.cancel();
    });
    const step = createRepairStep({ panguMaster: master });
    const stopped: WorkStep = await environment.run(step, { holder: 'test', stepMs: 60_000, bytesPerSecond: 64 * KIB });
    expect(stopped.replicas).toBe(1);
    expect(stopped).toMatchObject({ done: false, bytesLeft: lost - 256 * KIB });

    expect(await run(step, { holder: 'test', stepMs: 60_000, bytesPerSecond: 1e12 })).toMatchObject({ done: true, bytesLeft: 0 });
    const made = await entries('replicaMade');
    expect(bytesOf(made)).toBe(lost);
    expect(await run(step, { holder: 'another', stepMs: 1_000 })).toMatchObject({ done: true, waiting: 'test mends already' });
    expect((await problems()).filter(({ kind }) => kind !== 'away')).toEqual([]);
    for (const [i, bytes] of contents.entries()) expect((await cluster.pangu.readFile(`/file-${i}`)).equals(bytes)).toBe(true);
  }, 60_000);

  it('empties a node that is gone: what others have enough of is only taken off the list', async () => {
    const drain = { node: 'n2', stepMs: 60_000, sealAfterMs: 0, bytesPerSecond: 1e12 };
    const step = await run(createDrainStep({ panguMaster: master }), drain);
    expect(step).toMatchObject({ done: true, bytes: 0, replicasLeft: 0 });
    expect(step.replicas).toBeGreaterThan(0);
    expect((await entries('replicaLeft')).length).toBe(step.replicas);
    expect(await problems(true)).toEqual([]);
    await master.forgetNode({ node: 'n2' });
  });

  it('refuses to drain what leaves too few, or is not there', async () => {
    const plan = createPlanWork({ panguMaster: master });
    await expect(run(plan, { kind: 'drain' as const, nodes: ['n1'] })).rejects.toThrow('2 chunk servers would be left');
    await expect(run(plan, { kind: 'drain' as const, nodes: ['n9'] })).rejects.toThrow('no chunk server n9');
  });

  it('empties a node that is there, with a file that somebody writes at the time', async () => {
    await cluster.startChunkServer('n2');
    await expect.poll(async () => (await master.servers({})).servers.filter(({ up }) => up).length, soon).toBe(4);
    await master.setReplicas({ path: '/file-0', replicas: 3 });
    const file = await cluster.clientOn('n1').open('/growing', 'wx', { replicas: 2 });
    await file.write(randomBytes(1_000));
    await file.sync();
    expect(await run(createPlanWork({ panguMaster: master }), { kind: 'drain' as const, nodes: ['n1'] })).toMatchObject({ kind: 'drain' });
    await master.setDraining({ node: 'n1', draining: true });
    await expect.poll(async () => (await master.servers({})).servers.find(({ node }) => node === 'n1')?.draining, soon).toBe(true);
    let step: WorkStep;
    do step = await run(createDrainStep({ panguMaster: master }), { node: 'n1', stepMs: 2_000, sealAfterMs: 200, bytesPerSecond: 1e12 });
    while (!step.done);
    await file.write(randomBytes(1_000));
    await file.close();
    expect((await cluster.pangu.readFile('/growing')).length).toBe(2_000);
    await cluster.killChunkServer('n1');
    expect((await problems(true)).filter(({ severity }) => severity === 'error')).toEqual([]);
  }, 60_000);
});
