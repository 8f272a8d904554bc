import { ApplicationFailure } from '@temporalio/activity';
import type { WorkflowFailedError, WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FEITIAN_QUEUE } from '../../../services/fuxi/contract.ts';
import type { WorkDocument, WorkPlan, WorkProgress, WorkResult } from '../../../services/pangu/work-contract.ts';
import { openStage, type Stage } from '../../helpers/fuxi-workflows.ts';
import { playWork, whenAborted } from '../../helpers/pangu-work.ts';

describe('long work on replicas', () => {
  let stage: Stage;
  let ids = 0;
  beforeAll(async () => {
    stage = await openStage([]);
  });
  afterAll(() => stage?.environment.teardown());

  const start = (type: string, document: WorkDocument = {}, id = `work-${++ids}`): Promise<WorkflowHandle> =>
    stage.environment.client.workflow.start(type, { taskQueue: FEITIAN_QUEUE, workflowId: id, args: [document] });
  const progressOf = (handle: WorkflowHandle) => handle.query<WorkProgress>('progress');
  const until = (handle: WorkflowHandle, what: Partial<WorkProgress>) =>
    expect.poll(() => progressOf(handle), { timeout: 20_000, interval: 50 }).toMatchObject(what);
  const failureOf = (handle: WorkflowHandle) =>
    handle.result().then(
      () => expect.unreachable('it succeeded'),
      (error: WorkflowFailedError) => error.cause as Error & { type?: string },
    );

  it('shows its plan, goes on step by step until nothing is left, and tells what it did', async () => {
    const { result, trace } = await playWork(
      stage,
      { onStep: (count) => ({ done: count === 3, replicasLeft: 3 - count, bytesLeft: 0 }) },
      async () => {
        const handle = await start('panguRepair', { user: 'alice', bytesPerSecond: 1_000 });
        const result = (await handle.result()) as WorkResult;
        return { result, plan: await handle.query<WorkPlan>('plan'), progress: await progressOf(handle), about: await handle.describe() };
      },
    );
    expect(result.result).toEqual({ outcome: 'done', replicas: 3, bytes: 300, replicasLeft: 0, bytesLeft: 0, message: '' });
    expect(result.plan).toMatchObject({ kind: 'repair', replicas: 3, bytes: 300 });
    expect(result.progress).toMatchObject({ phase: 'done', replicas: 3, bytesPerSecond: 1_000 });
    expect(trace.calls).toEqual(['repair', 'repair', 'repair', 'release']);
    expect(trace.rates).toEqual([1_000, 1_000, 1_000]);
    expect(result.about.typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value])).toEqual(
      expect.arrayContaining([
        ['FeitianUser', 'alice'],
        ['FeitianPhase', 'done'],
      ]),
    );
  });

  it('paused, it cuts its step short, counts what that did, begins no other, and keeps the control loop away; resumed, it goes on', async () => {
    const { trace } = await playWork(
      stage,
      {
        onStep: async (count, _, signal) => {
          if (count === 1) await whenAborted(signal);
          return { done: count === 2 };
        },
      },
      async (trace) => {
        const handle = await start('panguRepair');
        await expect.poll(() => trace.calls.length).toBe(1);
        await handle.executeUpdate('pause');
        await until(handle, { phase: 'paused', replicas: 1 });
        await expect.poll(() => trace.calls).toEqual(['repair', 'claim']);
        await handle.executeUpdate('resume');
        return (await handle.result()) as WorkResult;
      },
    );
    expect(trace.calls).toEqual(['repair', 'claim', 'repair', 'release']);
    expect(trace.cutShort).toBe(1);
  });

  it('told another pace, it takes it at once; told nonsense, it refuses', async () => {
    const { result, trace } = await playWork(
      stage,
      {
        onStep: async (count, _, signal) => {
          if (count === 1) await whenAborted(signal);
          return { done: count === 2 };
        },
      },
      async (trace) => {
        const handle = await start('panguBalance', { bytesPerSecond: 5 });
        await expect.poll(() => trace.calls.length).toBe(1);
        await expect(handle.executeUpdate('setRate', { args: [-1] })).rejects.toThrow();
        await handle.executeUpdate('setRate', { args: [7_000] });
        const result = await handle.result();
        await expect(handle.executeUpdate('pause')).rejects.toThrow();
        return result;
      },
    );
    expect(trace.rates).toEqual([5, 7_000]);
    expect(result).toMatchObject({ outcome: 'done', replicas: 2 });
  });

  it('a drain keeps new data from its nodes first, empties them side by side, and ends when both are empty', async () => {
    const left = new Map([
      ['drain n1', 2],
      ['drain n2', 3],
    ]);
    const { result, trace } = await playWork(
      stage,
      {
        onStep: (_, of) => {
          left.set(of, left.get(of)! - 1);
          return { replicasLeft: left.get(of)!, done: left.get(of) === 0 };
        },
      },
      async () => (await start('panguDrain', { nodes: ['n1', 'n2'], bytesPerSecond: 10 })).result(),
    );
    expect(result).toMatchObject({ outcome: 'done', replicas: 5 });
    expect(trace.calls.slice(0, 2).sort()).toEqual(['draining n1', 'draining n2']);
    expect(trace.calls.slice(2).sort()).toEqual(['drain n1', 'drain n1', 'drain n2', 'drain n2', 'drain n2']);
    expect(new Set(trace.rates)).toEqual(new Set([5]));
  });

  it('a drain that is cancelled waits for what is under way, and its nodes take new data again', async () => {
    const { result, trace } = await playWork(
      stage,
      {
        onStep: async (_count, _of, signal) => {
          await whenAborted(signal);
          return { replicas: 4 };
        },
      },
      async (trace) => {
        const handle = await start('panguDrain', { nodes: ['n1'] });
        await expect.poll(() => trace.calls).toContain('drain n1');
        await handle.cancel();
        const failure = await failureOf(handle);
        return { failure, progress: await progressOf(handle) };
      },
    );
    expect(result.failure.name).toBe('CancelledFailure');
    expect(result.progress).toMatchObject({ phase: 'cancelled', replicas: 4 });
    expect(trace.calls).toEqual(['draining n1', 'drain n1', 'not draining n1']);
  });

  it('a drain that cannot be planned changes nothing and says why; so does a document that makes no sense', async () => {
    const refused = ApplicationFailure.create({ nonRetryable: true, type: 'PlanRefused', message: '2 chunk servers would be left' });
    const planWork = () => Promise.reject(refused);
    const { result, trace } = await playWork(stage, { onStep: () => ({ done: true }), activities: { planWork } }, async () => ({
      drain: await failureOf(await start('panguDrain', { nodes: ['n1'] })),
      noNodes: await failureOf(await start('panguDrain', {})),
      rate: await failureOf(await start('panguBalance', { bytesPerSecond: 0 })),
    }));
    expect(result.drain).toMatchObject({ type: 'PlanRefused', message: '2 chunk servers would be left' });
    expect(result.noNodes).toMatchObject({ type: 'InvalidWork', message: expect.stringContaining('at least one node') });
    expect(result.rate).toMatchObject({ type: 'InvalidWork' });
    expect(trace.calls).toEqual([]);
  });
});
