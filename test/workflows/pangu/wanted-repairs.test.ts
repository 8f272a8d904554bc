import { randomBytes } from 'node:crypto';
import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSetDraining } from '../../../activities/dayu/set-draining.ts';
import { createClaimRepair } from '../../../activities/pangu/claim-repair.ts';
import { createDrainStep } from '../../../activities/pangu/drain-step.ts';
import { createPlanWork } from '../../../activities/pangu/plan-work.ts';
import { createRepairStep } from '../../../activities/pangu/repair-step.ts';
import { startWantedRepairs } from '../../../infra/temporal/wanted-repairs.ts';
import { workflowBundle } from '../../../infra/workflow-bundle.ts';
import { silentLogger } from '../../../services/base/log.ts';
import { FEITIAN_QUEUE } from '../../../services/fuxi/contract.ts';
import type { ServiceClient } from '../../../services/kuafu/contract.ts';
import { fsck } from '../../../services/pangu/client.ts';
import { type MasterContract, masterService } from '../../../services/pangu/master-contract.ts';
import { REPAIR_ID, type WorkResult } from '../../../services/pangu/work-contract.ts';
import { openStage, type Stage } from '../../helpers/fuxi-workflows.ts';
import { type PanguCluster, startPanguCluster } from '../../helpers/pangu-cluster.ts';

const KIB = 1024;
const soon = { timeout: 30_000, interval: 50 };

describe('a real cluster and a real Temporal', () => {
  let stage: Stage;
  let cluster: PanguCluster;
  let master: ServiceClient<MasterContract>;
  let worker: Worker;
  let running: Promise<void>;

  beforeAll(async () => {
    [stage, cluster] = await Promise.all([openStage([]), startPanguCluster({ control: { watchMs: 50, mendMs: 100 } })]);
    master = cluster.cluster.kuafu.service(masterService, 'nuwa://test/pangu-master/');
    const services = { panguMaster: master };
    worker = await Worker.create({
      connection: stage.environment.nativeConnection,
      taskQueue: FEITIAN_QUEUE,
      workflowBundle: await workflowBundle(silentLogger),
      activities: {
        planWork: createPlanWork(services),
        claimRepair: createClaimRepair(services),
        repairStep: createRepairStep(services),
        drainStep: createDrainStep(services),
        setDraining: createSetDraining(services),
      },
    });
    running = worker.run();
  });
  afterAll(async () => {
    worker?.shutdown();
    await running;
    await cluster?.stop();
    await stage?.environment.teardown();
  });

  it('much that is lacking is mended by a workflow that a worker starts, while the control loop copies nothing, and each byte once', async () => {
    const { client } = stage.environment;
    await Promise.all(Array.from({ length: 24 }, (_, i) => cluster.pangu.writeFile(`/file-${i}`, randomBytes(256 * KIB), { replicas: 3 })));
    const { bytes: lost } = (await master.servers({})).servers.find(({ node }) => node === 'n3')!;
    // The loop would be done before anybody asked: it is slow, the workflow is not.
    await master.setHealing({ settings: { workflowBytesMin: 256 * KIB, repairBytesPerSecond: 64 * KIB } });
    const repairs = startWantedRepairs({ panguMaster: master, client, log: silentLogger }, { askMs: 50 });
    try {
      await cluster.killChunkServer('n3');
      await master.setHealing({ settings: { deadAfterMs: 1 } });
      await expect.poll(async () => (await master.controlState({})).claim?.holder, soon).toBe(REPAIR_ID);
      const handle = client.workflow.getHandle(REPAIR_ID);
      await handle.executeUpdate('setRate', { args: [1e9] });
      expect((await handle.result()) as WorkResult).toMatchObject({ outcome: 'done', replicasLeft: 0, bytesLeft: 0 });
      expect((await master.controlState({})).claim).toBeUndefined();
    } finally {
      await repairs.stop();
    }
    const made = (await master.ledger({ kinds: ['replicaMade'], limit: 1_000 })).entries;
    const copied = made.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(copied / lost).toBeLessThanOrEqual(1.05);
    expect((await fsck(cluster.cluster.kuafu, 'test')).problems.filter(({ kind }) => kind !== 'away')).toEqual([]);
  }, 90_000);

  it('a drain empties a node, and it may be switched off', async () => {
    await cluster.startChunkServer('n3');
    await expect.poll(async () => (await master.servers({})).servers.filter(({ up }) => up).length, soon).toBe(4);
    await master.setHealing({ settings: { repairBytesPerSecond: 1e9 } });
    const handle = await stage.environment.client.workflow.start('panguDrain', {
      taskQueue: FEITIAN_QUEUE,
      workflowId: 'drain-n1',
      args: [{ nodes: ['n1'] }],
    });
    expect(await handle.result()).toMatchObject({ outcome: 'done', replicasLeft: 0 });
    await cluster.killChunkServer('n1');
    await expect.poll(async () => (await fsck(cluster.cluster.kuafu, 'test', { verify: true })).problems, soon).toEqual([]);
    expect((await master.servers({})).servers.map(({ node }) => node)).not.toContain('n1');
  }, 90_000);
});
