import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { releaseHello } from '../../infra/demo/hello-releases.ts';
import { loadService, type ServiceLoad } from '../../infra/demo/service-load.ts';
import { DAYU_MASTER_SERVICE, dayuMasterService, type RolloutProgress, type RolloutResult } from '../../services/dayu/contract.ts';
import { FEITIAN_QUEUE } from '../../services/fuxi/contract.ts';
import type { ServiceClient } from '../../services/kuafu/contract.ts';
import { nuwaResolver } from '../../services/nuwa/client.ts';
import { failureOf, joinAsAdmin, openCluster, type TestCluster } from '../helpers/cluster.ts';
import { readEvents } from '../helpers/hello-service.ts';

/** The example service on three nodes, rolled forth and back under constant load; its own log tells who was out of service when. */
describe('rollouts on a real cluster', () => {
  let test: TestCluster;
  let master: ServiceClient<typeof dayuMasterService>;
  let load: ServiceLoad;
  let events: string;
  const closing: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    test = await openCluster({ nodes: 3, together: false });
    closing.push(() => test.stop());
    const { name } = test.cluster.info;
    const member = await joinAsAdmin(test.cluster.info, 'test');
    closing.push(() => member.leave());
    master = member.kuafu.service(dayuMasterService, `nuwa://${name}/${DAYU_MASTER_SERVICE}/`);
    const releaser = { pangu: test.pangu, dayuMaster: master };
    await releaseHello(releaser, '1.0.0');
    await releaseHello(releaser, '2.0.0');
    await releaseHello(releaser, '3.0.0', { BEHAVIOUR: 'crash' });
    await releaseHello(releaser, '4.0.0', { BEHAVIOUR: 'sicken', SICKEN_AFTER_MS: '2000' });
    await releaseHello(releaser, '5.0.0', { BEHAVIOUR: 'never' });
    events = join(test.dir, 'events');
    await master.configure({ application: 'hello', values: { EVENTS_FILE: events }, user: 'test' });
    expect(await (await deploy('1.0.0')).result()).toMatchObject({ outcome: 'done' });
    load = loadService(nuwaResolver(member.nuwa), `nuwa://${name}/hello-web/`);
    closing.push(() => load.stop());
  }, 180_000);
  afterAll(async () => {
    for (const close of closing.reverse()) await close();
  });

  let ids = 0;
  const deploy = (version: string, more: object = {}) =>
    test.temporal.workflow.start('dayuRollout', {
      taskQueue: FEITIAN_QUEUE,
      workflowId: `rollout-hello-${++ids}`,
      args: [{ application: 'hello', version, gate: { bakeMs: 1_000, healthyWithinMs: 20_000 }, ...more }],
    });
  const runsOn = async () =>
    (await master.application({ application: 'hello' })).placements.map(({ node, version }) => `${node} ${version}`);

  it('from one version to the next no request fails, and one node at a time is out of service', async () => {
    expect((await (await deploy('2.0.0')).result()) as RolloutResult).toMatchObject({ outcome: 'done' });
    expect(await runsOn()).toEqual(['node-1 2.0.0', 'node-2 2.0.0', 'node-3 2.0.0']);
    expect(load.counts().failures).toEqual([]);
    expect(load.counts().byVersion['2.0.0']).toBeGreaterThan(0);
    expect(await readEvents(events)).toEqual({
      outMost: 1,
      versions: Object.fromEntries(['node-1', 'node-2', 'node-3'].map((node) => [node, ['1.0.0', '2.0.0']])),
    });
  }, 120_000);

  it('goes on to its end when worker, agent, master and Temporal are killed on the way', async () => {
    const handle = await deploy('1.0.0');
    const until = (node: string, states: string[]) =>
      expect
        .poll(async () => (await handle.query<RolloutProgress>('progress').catch(() => undefined))?.nodes[node]?.state, {
          timeout: 60_000,
          interval: 50,
        })
        .toSatisfy((state?: string) => states.includes(state ?? ''));
    await until('node-1', ['deploying', 'healthy']);
    await test.cluster.kill('tubo', 'node-1');
    await test.cluster.kill('worker', undefined);
    await until('node-2', ['deploying', 'healthy']);
    await test.cluster.kill('dayu-master', undefined);
    await test.cluster.kill('tubo', 'node-2');
    await until('node-3', ['deploying', 'healthy']);
    await test.cluster.kill('temporal', undefined);
    expect((await handle.result()) as RolloutResult).toMatchObject({ outcome: 'done' });
    expect(await runsOn()).toEqual(['node-1 1.0.0', 'node-2 1.0.0', 'node-3 1.0.0']);
    expect(load.counts().failures).toEqual([]);
    const { outMost, versions } = await readEvents(events);
    expect(outMost).toBe(1);
    expect(Object.values(versions).map((each) => each.at(-1))).toEqual(['1.0.0', '1.0.0', '1.0.0']);
  }, 180_000);

  it.each([
    ['3.0.0', 'crashes at its start', /was rolled back: canary node-1: StartFailed: .*exit code 3/],
    ['4.0.0', 'falls ill after a while', /was rolled back: canary node-1: Unhealthy: .*503/],
    ['5.0.0', 'is never well', /was rolled back: canary node-1: Unhealthy: .*503/],
  ])(
    '%s, which %s, is stopped at the canary and taken back by itself, with the reason',
    async (version, _what, reason) => {
      await rm(events);
      const handle = await deploy(version, { gate: { bakeMs: 6_000, healthyWithinMs: 4_000 } });
      expect(await failureOf(handle)).toMatchObject({ type: 'RolledBack', message: expect.stringMatching(reason) });
      expect(await runsOn()).toEqual(['node-1 1.0.0', 'node-2 1.0.0', 'node-3 1.0.0']);
      const { rollout } = await master.application({ application: 'hello' });
      expect(rollout).toMatchObject({ state: 'rolledBack', reason: expect.stringContaining('canary node-1') });
      expect(load.counts().failures).toEqual([]);
      const { outMost, versions } = await readEvents(events);
      expect(outMost).toBeLessThanOrEqual(1);
      expect(Object.keys(versions)).toEqual(['node-1']); // nobody else was touched
    },
    120_000,
  );
});
