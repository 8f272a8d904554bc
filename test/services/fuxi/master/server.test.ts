import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../../services/base/log.ts';
import type { RunningRole } from '../../../../services/base/role.ts';
import {
  type ContainersLostSignal,
  type Exchange,
  FUXI_MASTER_SERVICE,
  fuxiMasterService,
  type GrantSignal,
  TUBO_SERVICE,
} from '../../../../services/fuxi/contract.ts';
import { startFuxiMaster } from '../../../../services/fuxi/master/server.ts';
import type { ServiceClient } from '../../../../services/kuafu/contract.ts';
import { joinCluster } from '../../../../services/nuwa/client.ts';
import type { NuwaClient } from '../../../../services/nuwa/contract.ts';
import { startNuwa } from '../../../../services/nuwa/server.ts';
import { MemoryWorkflows } from './memory-workflows.ts';
import { exchangeOf } from './pool-builders.ts';

const CLUSTER = 'test';

describe('FuxiMaster over a real Nuwa', () => {
  const closing: (() => Promise<unknown>)[] = [];
  let workflows: MemoryWorkflows;
  let nuwa: string[];
  let client: NuwaClient;
  let master: ServiceClient<typeof fuxiMasterService>;
  let role: RunningRole;

  beforeEach(async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'fuxi-master-'));
    closing.push(() => rm(dataDir, { recursive: true }));
    const server = await startNuwa({ cluster: CLUSTER, dataDir, listen: 'tcp://127.0.0.1:0' }, { log: silentLogger });
    closing.push(() => server.stop());
    nuwa = [server.address];
    const member = await joinCluster({ cluster: CLUSTER, nuwa, creator: 'test' });
    closing.push(() => member.leave());
    client = member.nuwa;
    master = member.kuafu.service(fuxiMasterService, `nuwa://${CLUSTER}/${FUXI_MASTER_SERVICE}/`);
    workflows = new MemoryWorkflows([]);
    role = await start();
    closing.push(() => role.stop());
  });

  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  const start = (sweepIntervalMs?: number) =>
    startFuxiMaster(
      { cluster: CLUSTER, dataDir: '/nowhere', listen: 'tcp://127.0.0.1:0', nuwa },
      { workflows, log: silentLogger, sweepIntervalMs },
    );

  const restart = async (sweepIntervalMs?: number) => {
    await role.stop();
    role = await start(sweepIntervalMs);
  };

  const registerTubo = (node: string, cpu: number) =>
    client.register(TUBO_SERVICE, node, {
      address: 'tcp://127.0.0.1:1',
      node,
      rack: 'rack-a',
      attributes: { cpu, memoryMiB: 1024, 'virtual.gpu': 1 },
    });

  const exchange = (name: string, overrides: Partial<Exchange>) => master.exchange({ ...exchangeOf(name), ...overrides });

  /** Until what FuxiMaster tells of its nodes is as wanted; Nuwa tells it of changes within milliseconds. */
  const untilNodes = async (wanted: string[]) => {
    for (;;) {
      const { nodes } = await master.nodes({});
      if (JSON.stringify(nodes.map(({ id }) => id)) === JSON.stringify(wanted)) return nodes;
    }
  };

  test('grants what fits on the registered nodes, by one signal', async () => {
    workflows.running.add('a');
    await Promise.all([registerTubo('node-1', 2), registerTubo('node-2', 1)]);
    await untilNodes(['node-1', 'node-2']);
    expect(await exchange('a', { want: 4 })).toEqual({ epoch: '1', held: 3, waiting: 1 });
    const grant = await workflows.received<GrantSignal>('a', 'grant');
    expect(grant).toMatchObject({ epoch: '1', number: 1 });
    expect(grant.containers.map(({ node }) => node).sort()).toEqual(['node-1', 'node-1', 'node-2']);
    const { nodes, waiting } = await master.nodes({});
    expect(nodes[0]).toEqual({ id: 'node-1', rack: 'rack-a', cpu: 2, memoryMiB: 1024, cpuUsed: 2, memoryMiBUsed: 512, containers: 2 });
    expect(waiting).toEqual([
      expect.objectContaining({ taskWorkflowId: 'a', want: 4, held: 3, why: expect.stringContaining('1st in line') }),
    ]);
  });

  test('tells at once when a node comes or goes', async () => {
    workflows.running.add('a');
    await untilNodes([]);
    await exchange('a', { want: 1, resources: { cpu: 1, memoryMiB: 1, virtual: { gpu: 1 } } });
    const tubo = await registerTubo('node-1', 1);
    const { containers } = await workflows.received<GrantSignal>('a', 'grant');
    await tubo.unregister();
    const lost = await workflows.received<ContainersLostSignal>('a', 'containersLost');
    expect(lost.containers).toEqual(containers.map(({ id }) => id));
    expect(lost.reason).toContain('node-1 is gone');
  });

  test('a Tubo that registers anew has lost its containers', async () => {
    workflows.running.add('a');
    await registerTubo('node-1', 1);
    await untilNodes(['node-1']);
    await exchange('a', { want: 1 });
    const first = await workflows.received<GrantSignal>('a', 'grant');
    await registerTubo('node-1', 1);
    expect((await workflows.received<ContainersLostSignal>('a', 'containersLost')).containers).toEqual([first.containers[0]!.id]);
    const second = await workflows.received<GrantSignal>('a', 'grant', 2);
    expect(second.containers[0]!.id).not.toBe(first.containers[0]!.id);
  });

  test('a TaskMaster that has ended frees what it held', async () => {
    workflows.running.add('b');
    await registerTubo('node-1', 1);
    await untilNodes(['node-1']);
    await exchange('a', { want: 1 });
    await exchange('b', { want: 1 });
    expect((await workflows.received<GrantSignal>('b', 'grant')).containers[0]!.node).toBe('node-1');
  });

  test('after a restart it grants nothing before all that run have told what they hold', async () => {
    for (const name of ['a', 'b']) workflows.running.add(name);
    await registerTubo('node-1', 2);
    await untilNodes(['node-1']);
    await exchange('a', { want: 1 });
    const { containers } = await workflows.received<GrantSignal>('a', 'grant');
    await restart();
    await untilNodes(['node-1']);
    expect(await workflows.received('a', 'resync')).toEqual({ epoch: '2' });
    await exchange('b', { sequence: 1, epoch: '2', want: 2 });
    expect((await master.nodes({})).waiting[0]!.why).toContain('has just started');
    await exchange('a', { sequence: 2, epoch: '2', want: 1, holding: containers });
    expect((await workflows.received<GrantSignal>('b', 'grant')).containers).toHaveLength(1);
    expect((await master.nodes({})).nodes[0]).toMatchObject({ containers: 2 });
  });

  test('after a restart it does not wait for ever for one that is silent', async () => {
    for (const name of ['a', 'silent']) workflows.running.add(name);
    await registerTubo('node-1', 1);
    await restart();
    await workflows.received('silent', 'resync');
    await exchange('a', { epoch: '2', want: 1 });
    expect(workflows.taken('a').map(({ name }) => name)).toEqual(['resync']);
    await workflows.received('a', 'grant');
  });

  test('starts while the workflow engine is away, and grants when it is back', async () => {
    workflows.running.add('a');
    workflows.listFails = true;
    workflows.failing.add('a');
    await registerTubo('node-1', 1);
    await restart();
    await exchange('a', { epoch: '', want: 1 });
    workflows.listFails = false;
    workflows.failing.clear();
    await workflows.received('a', 'resync');
    await exchange('a', { sequence: 2, epoch: '2', want: 1 });
    expect(await workflows.received<GrantSignal>('a', 'grant')).toMatchObject({ epoch: '2', number: 1 });
  });

  test('the sweep frees what a terminated TaskMaster held, and asks one that it does not know', async () => {
    await restart(20);
    for (const name of ['a', 'b', 'unknown']) workflows.running.add(name);
    await registerTubo('node-1', 1);
    await untilNodes(['node-1']);
    await exchange('a', { want: 1 });
    await exchange('b', { want: 1 });
    await workflows.received('unknown', 'resync');
    workflows.running.delete('a');
    await workflows.received('b', 'grant');
  });
});
