import { ApplicationFailure } from '@temporalio/activity';
import type { WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RolloutDocument, RolloutPlan, RolloutProgress, RolloutResult } from '../../../services/dayu/contract.ts';
import { FEITIAN_QUEUE } from '../../../services/fuxi/contract.ts';
import { factsOf, failing, type Order, playRollout, type RolloutTrace, untilCancelled } from '../../helpers/dayu-workflows.ts';
import { openStage, type Stage } from '../../helpers/fuxi-workflows.ts';

const RACKS = { 'rack-a': ['node-1', 'node-2'], 'rack-b': ['node-3', 'node-4'] };
const facts = factsOf(RACKS, { from: '1.0.0', to: '2.0.0' });
const document = (more: Partial<RolloutDocument> = {}): RolloutDocument => ({
  application: 'hello',
  version: '2.0.0',
  gate: { bakeMs: 1 },
  ...more,
});
const settled = ({ placed }: RolloutTrace) => placed.filter((place) => place.settled);
const deploys = ({ orders }: RolloutTrace): string[] => orders.filter(({ kind }) => kind === 'deploy').map((o) => `${o.node} ${o.version}`);

describe('dayuRollout', () => {
  let stage: Stage;
  let ids = 0;
  beforeAll(async () => {
    stage = await openStage(['node-1', 'node-2', 'node-3', 'node-4']);
  });
  afterAll(() => stage?.environment.teardown());

  const start = (argument: unknown) =>
    stage.environment.client.workflow.start('dayuRollout', {
      taskQueue: FEITIAN_QUEUE,
      workflowId: `rollout-hello-${++ids}`,
      args: [argument],
    });
  const failureOf = (promise: Promise<unknown>) =>
    promise.then(
      () => expect.unreachable('it succeeded'),
      (error: WorkflowFailedError) => error.cause as Error & { type: string; details: unknown[] },
    );
  const untilPhase = (handle: Awaited<ReturnType<typeof start>>, phase: string) =>
    expect.poll(async () => (await handle.query<RolloutProgress>('progress')).phase, { timeout: 20_000, interval: 50 }).toBe(phase);
  const bad =
    (version: string, fail: () => Error, kind: Order['kind'] = 'deploy', node?: string) =>
    (order: Order): void => {
      if (order.kind === kind && (node === undefined || order.node === node) && (kind !== 'deploy' || order.version === version))
        throw fail();
    };

  it('goes canary first, then rack by rack, and writes down every node', async () => {
    const { result, trace } = await playRollout(stage, { facts }, async () => {
      const handle = await start(document({ user: 'alice' }));
      const result = (await handle.result()) as RolloutResult;
      return { result, plan: await handle.query<RolloutPlan>('plan'), about: await handle.describe() };
    });
    expect(result.result).toEqual({
      outcome: 'done',
      nodes: { 'node-1': '2.0.0', 'node-2': '2.0.0', 'node-3': '2.0.0', 'node-4': '2.0.0' },
    });
    expect(result.plan.waves.map(({ kind, rack, steps }) => [kind, rack, ...steps.map(({ node }) => node)])).toEqual([
      ['canary', 'rack-a', 'node-1'],
      ['wave', 'rack-a', 'node-2'],
      ['wave', 'rack-b', 'node-3', 'node-4'],
    ]);
    expect(deploys(trace)).toEqual(['node-1 2.0.0', 'node-2 2.0.0', 'node-3 2.0.0', 'node-4 2.0.0']);
    expect(trace.busiest).toBe(1);
    // Before a node is touched it is said what it is meant to run, and once it is well, that it is.
    expect(trace.placed.slice(0, 3).map(({ node, settled }) => [node, settled])).toEqual([
      ['node-1', false],
      ['node-1', true],
      ['node-2', false],
    ]);
    expect(settled(trace).map(({ node, version, why }) => [node, version, why])).toEqual([
      ['node-1', '2.0.0', expect.stringMatching(/^rollout-hello-\d+, canary 1\/3$/)],
      ['node-2', '2.0.0', expect.stringMatching(/wave 2\/3$/)],
      ['node-3', '2.0.0', expect.stringMatching(/wave 3\/3$/)],
      ['node-4', '2.0.0', expect.stringMatching(/wave 3\/3$/)],
    ]);
    expect(
      trace.orders
        .filter(({ kind }) => kind === 'observe')
        .map(({ node }) => node)
        .sort(),
    ).toEqual(['node-1', 'node-2', 'node-3', 'node-4']);
    expect(trace.ended).toEqual([expect.objectContaining({ state: 'done', reason: '' })]);
    expect(result.about.typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value])).toEqual(
      expect.arrayContaining([
        ['FeitianApplication', 'hello'],
        ['FeitianVersion', '2.0.0'],
        ['FeitianUser', 'alice'],
        ['FeitianPhase', 'done'],
      ]),
    );
  });

  it('deploys to as many nodes of a wave at once as may be out of service', async () => {
    let together = 0;
    let release = (): void => {};
    const both = new Promise<void>((resolve) => (release = resolve));
    const onOrder = async ({ kind, node }: Order): Promise<void> => {
      if (kind !== 'deploy' || node === 'node-1' || node === 'node-2') return;
      if (++together === 2) release();
      await both; // ends only when both are under way
    };
    const { trace } = await playRollout(stage, { facts, onOrder }, async () => (await start(document({ maxUnavailable: '50%' }))).result());
    expect(trace.busiest).toBe(2);
  });

  it('rolls a canary back that does not start, and fails with the reason', async () => {
    const onOrder = bad('2.0.0', () => failing('StartFailed', 'web exited with code 1: boom'));
    const { result, trace } = await playRollout(stage, { facts, onOrder }, async () => {
      const handle = await start(document());
      return { failure: await failureOf(handle.result()), progress: await handle.query<RolloutProgress>('progress') };
    });
    expect(result.failure).toMatchObject({
      type: 'RolledBack',
      message: 'hello 2.0.0 was rolled back: canary node-1: StartFailed: web exited with code 1: boom',
    });
    expect(result.progress).toMatchObject({
      phase: 'rolledBack',
      reason: 'canary node-1: StartFailed: web exited with code 1: boom',
      nodes: { 'node-1': { state: 'rolledBack' }, 'node-2': { state: 'pending' } },
    });
    expect(deploys(trace)).toEqual(['node-1 2.0.0', 'node-1 1.0.0']);
    expect(trace.placed).toEqual([
      expect.objectContaining({ node: 'node-1', version: '2.0.0', settled: false }),
      expect.objectContaining({
        node: 'node-1',
        version: '1.0.0',
        settled: true,
        why: expect.stringMatching(/^rolled back: canary node-1: StartFailed/),
      }),
    ]);
    expect(trace.ended).toEqual([expect.objectContaining({ state: 'rolledBack', reason: expect.stringContaining('boom') })]);
  });

  it('takes back every node that was changed, the failed one first and then the newest, when a later wave falls ill', async () => {
    const onOrder = bad('', () => failing('Unhealthy', 'web answers 500'), 'observe', 'node-3');
    const { result, trace } = await playRollout(stage, { facts, onOrder }, async () => failureOf((await start(document())).result()));
    expect(result.message).toBe('hello 2.0.0 was rolled back: wave 3, node-3: Unhealthy: web answers 500');
    expect(deploys(trace).slice(4)).toEqual(['node-3 1.0.0', 'node-4 1.0.0', 'node-2 1.0.0', 'node-1 1.0.0']);
    expect(trace.busiest).toBe(1);
  });

  it('removes the application where there was none before', async () => {
    const onOrder = bad('2.0.0', () => failing('BadPackage', 'its checksum is wrong'), 'deploy', 'node-2');
    const { trace } = await playRollout(stage, { facts: factsOf(RACKS, { to: '2.0.0' }), onOrder }, async () =>
      failureOf((await start(document())).result()),
    );
    expect(trace.orders.filter(({ kind }) => kind === 'remove').map(({ node }) => node)).toEqual(['node-2', 'node-1']);
    expect(settled(trace).map(({ node, version }) => [node, version])).toEqual([
      ['node-1', '2.0.0'],
      ['node-2', undefined],
      ['node-1', undefined],
    ]);
  });

  it('tries a node again that does not go back at once', async () => {
    let tries = 0;
    const onOrder = ({ kind, version }: Order): void => {
      if (kind === 'deploy' && version === '2.0.0') throw failing('StartFailed', 'boom');
      if (kind === 'deploy' && ++tries < 3) throw failing('StorageFailed', 'EIO');
    };
    const { result } = await playRollout(stage, { facts, onOrder }, async () => failureOf((await start(document())).result()));
    expect(result.type).toBe('RolledBack');
    expect(tries).toBe(3);
  });

  it('goes on with the others when one node cannot be taken back, and says so', async () => {
    const onOrder = ({ kind, node, version }: Order): void => {
      if (kind === 'deploy' && version === '2.0.0' && node === 'node-2') throw failing('StartFailed', 'boom');
      if (kind === 'deploy' && version === '1.0.0' && node === 'node-2') throw failing('StorageFailed', 'the disk is gone');
    };
    const { result, trace } = await playRollout(stage, { facts, onOrder }, async () => failureOf((await start(document())).result()));
    expect(result.type).toBe('RollbackFailed');
    expect(result.message).toMatch(/wave 2, node-2: StartFailed: boom; not rolled back: node-2: StorageFailed: the disk is gone$/);
    expect(deploys(trace).at(-1)).toBe('node-1 1.0.0');
    expect(trace.ended[0]!.state).toBe('failed');
  });

  it('does nothing when all targets run it already', async () => {
    const { result, trace } = await playRollout(stage, { facts: factsOf(RACKS, { from: '2.0.0', to: '2.0.0' }) }, async () =>
      (await start(document())).result(),
    );
    expect(result).toMatchObject({ outcome: 'unchanged', nodes: { 'node-1': '2.0.0' } });
    expect(trace.orders).toEqual([]);
    expect(trace.placed).toEqual([]);
    expect(trace.ended[0]!.state).toBe('unchanged');
  });

  it('refuses a document at once with every problem and its path', async () => {
    const { result, trace } = await playRollout(stage, { facts }, async () =>
      failureOf(
        (await start({ application: 'hello', version: '2.0.0', waveSize: 0, canary: -1, targets: { nodes: [] }, hurry: true })).result(),
      ),
    );
    expect(result.type).toBe('InvalidRollout');
    expect((result.details[0] as { path: string }[]).map(({ path }) => path).sort()).toEqual([
      'canary',
      'hurry',
      'targets.nodes',
      'waveSize',
    ]);
    expect(trace.ended).toEqual([]);
  });

  it('fails at once with what the master refused, and gives nothing back that it never had', async () => {
    const begin = async () => {
      throw ApplicationFailure.create({ nonRetryable: true, type: 'UnknownVersion', message: 'UnknownVersion: hello has no version 9' });
    };
    const { result, trace } = await playRollout(stage, { facts, begin }, async () => failureOf((await start(document())).result()));
    expect(result).toMatchObject({ type: 'UnknownVersion', message: expect.stringContaining('hello has no version 9') });
    expect(trace).toMatchObject({ orders: [], placed: [], ended: [] });
  });

  it('waits for approval after the canary', async () => {
    const { trace } = await playRollout(stage, { facts }, async (trace) => {
      const handle = await start(document({ approval: true }));
      await untilPhase(handle, 'waiting');
      expect(deploys(trace)).toEqual(['node-1 2.0.0']);
      await handle.executeUpdate('approve');
      await handle.result();
    });
    expect(deploys(trace)).toHaveLength(4);
  });

  it('begins no node while paused, and refuses what makes no sense', async () => {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const onOrder = ({ kind, node }: Order) => (kind === 'deploy' && node === 'node-1' ? released : undefined);
    const { trace } = await playRollout(stage, { facts, onOrder }, async (trace) => {
      const handle = await start(document());
      await expect.poll(() => deploys(trace).length, { timeout: 20_000 }).toBe(1);
      await expect(handle.executeUpdate('resume')).rejects.toThrow();
      await expect(handle.executeUpdate('approve')).rejects.toThrow();
      await handle.executeUpdate('pause');
      await expect(handle.executeUpdate('pause')).rejects.toThrow();
      release();
      await expect.poll(async () => (await handle.query<RolloutProgress>('progress')).wave, { timeout: 20_000 }).toBe(2);
      expect(await handle.query<RolloutProgress>('progress')).toMatchObject({ phase: 'paused', nodes: { 'node-1': { state: 'healthy' } } });
      expect(deploys(trace)).toHaveLength(1);
      await handle.executeUpdate('resume');
      await handle.result();
    });
    expect(deploys(trace)).toHaveLength(4);
  });

  it('holds at a failed gate when told so, tries the node again on resume, and needs no more room for it', async () => {
    let broken = true;
    const onOrder = ({ kind, node }: Order): void => {
      if (kind === 'deploy' && node === 'node-2' && broken) throw failing('Unhealthy', 'not yet');
    };
    const { result, trace } = await playRollout(stage, { facts, onOrder }, async (trace) => {
      const handle = await start(document({ onFailure: 'pause' }));
      await untilPhase(handle, 'paused');
      expect(await handle.query<RolloutProgress>('progress')).toMatchObject({ reason: 'wave 2, node-2: Unhealthy: not yet' });
      expect(trace.ended).toEqual([]);
      broken = false;
      await handle.executeUpdate('resume');
      return (await handle.result()) as RolloutResult;
    });
    expect(result).toMatchObject({ outcome: 'done' });
    expect(deploys(trace).filter((each) => each.startsWith('node-2'))).toHaveLength(2);
    expect(trace.busiest).toBe(1);
  });

  it('abort leaves nodes as they are, after the one under way has come to its end', async () => {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const onOrder = ({ kind, node }: Order) => (kind === 'deploy' && node === 'node-2' ? released : undefined);
    const { result, trace } = await playRollout(stage, { facts, onOrder }, async (trace) => {
      const handle = await start(document());
      await expect.poll(() => deploys(trace).length, { timeout: 20_000 }).toBe(2);
      await handle.executeUpdate('abort');
      await expect(handle.executeUpdate('rollback')).rejects.toThrow();
      release();
      return (await handle.result()) as RolloutResult;
    });
    expect(result).toEqual({
      outcome: 'aborted',
      reason: 'aborted on request',
      nodes: { 'node-1': '2.0.0', 'node-2': '2.0.0', 'node-3': '1.0.0', 'node-4': '1.0.0' },
    });
    expect(deploys(trace)).toHaveLength(2);
    expect(trace.ended[0]!.state).toBe('aborted');
  });

  it('rollback cuts off what is under way and takes all back', async () => {
    const onOrder = ({ kind, node, version }: Order, signal: AbortSignal) =>
      kind === 'deploy' && node === 'node-2' && version === '2.0.0' ? untilCancelled(signal) : undefined;
    const { result, trace } = await playRollout(stage, { facts, onOrder }, async (trace) => {
      const handle = await start(document());
      await expect.poll(() => deploys(trace).length, { timeout: 20_000 }).toBe(2);
      await handle.executeUpdate('rollback');
      return (await handle.result()) as RolloutResult;
    });
    expect(result).toMatchObject({
      outcome: 'rolledBack',
      reason: 'rolled back on request',
      nodes: { 'node-1': '1.0.0', 'node-2': '1.0.0' },
    });
    expect(deploys(trace).slice(2)).toEqual(['node-2 1.0.0', 'node-1 1.0.0']);
  });

  it('a cancellation by Temporal is an abort that gives the application back', async () => {
    const onOrder = ({ kind }: Order, signal: AbortSignal) => (kind === 'observe' ? untilCancelled(signal) : undefined);
    const { result, trace } = await playRollout(stage, { facts, onOrder }, async () => {
      const handle = await start(document());
      await untilPhase(handle, 'baking');
      await handle.cancel();
      return failureOf(handle.result());
    });
    expect(result.name).toBe('CancelledFailure');
    expect(deploys(trace)).toEqual(['node-1 2.0.0']);
    expect(trace.ended).toEqual([expect.objectContaining({ state: 'aborted', reason: 'cancelled' })]);
  });
});
