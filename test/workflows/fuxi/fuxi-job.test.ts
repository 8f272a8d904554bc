import type { WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FEITIAN_QUEUE, type JobProgress, type JobResult } from '../../../services/fuxi/contract.ts';
import { openStage, play, type RunBatch, type Stage, succeed } from '../../helpers/fuxi-workflows.ts';

/** On a busy machine a backup would start now and then, and another attempt win. */
const backup = { enabled: false };
const wordCount = {
  name: 'wordcount',
  tasks: { map: { run: { module: 'w.ts#map' }, backup }, reduce: { run: { module: 'w.ts#reduce' }, backup, instances: 2 } },
  pipes: [
    { source: { filePattern: 'pangu://local/books/*' }, destination: { accessPoint: 'map:input' } },
    { source: { accessPoint: 'map:output' }, destination: { accessPoint: 'reduce:input' }, shuffle: 'hash' },
    { source: { accessPoint: 'reduce:output' }, destination: { filePattern: 'pangu://local/out/' } },
  ],
};
const plan = {
  tasks: {
    map: {
      instances: 4,
      bytes: [10_000_000, 10_000_000, 10_000_000, 10_000_000],
      preferred: [[0], [1], [2], [0]],
      nodes: ['node-1', 'node-2', 'node-3'],
      splits: '/.fuxi/x/map/splits.json',
      inputBytes: 40_000_000,
      inputFiles: 1,
    },
    reduce: { instances: 2, bytes: [], preferred: [], nodes: [], inputBytes: 0, inputFiles: 0 },
  },
};

describe('fuxiJob', () => {
  let stage: Stage;
  let ids = 0;
  beforeAll(async () => {
    stage = await openStage();
  });
  afterAll(() => stage?.environment.teardown());

  const start = (document: unknown) =>
    stage.environment.client.workflow.start('fuxiJob', { taskQueue: FEITIAN_QUEUE, workflowId: `job-${++ids}`, args: [document] });
  const failureOf = (promise: Promise<unknown>) =>
    promise.then(
      () => expect.unreachable('it succeeded'),
      (error: WorkflowFailedError) => error.cause as Error & { type: string; details: unknown[] },
    );

  it('runs the tasks in order, publishes the winners once and cleans up', async () => {
    const { result, trace } = await play(
      stage,
      { plan, runBatch: succeed },
      async () => (await start(wordCount)).result() as Promise<JobResult>,
    );
    expect(result.outputs).toEqual([{ directory: 'pangu://local/out', files: 2, bytes: 10, records: 2 }]);
    expect(result.tasks.map).toMatchObject({ instances: 4, done: 4, failedAttempts: 0 });
    const order = trace.batches.map((batch) => batch.task);
    expect(order.lastIndexOf('map')).toBeLessThan(order.indexOf('reduce'));
    expect(trace.batches.find((batch) => batch.task === 'reduce')!.input).toMatchObject({
      kind: 'shuffle',
      from: [{ task: 'map', winners: { instances: 4, first: 1 } }],
    });
    expect(trace.published).toHaveLength(1);
    expect(trace.published[0]!.publications).toEqual([
      { task: 'reduce', directory: 'pangu://local/out', overwrite: false, winners: { instances: 2, first: 1, exceptions: {} } },
    ]);
    expect(trace.cleaned).toHaveLength(1);
    expect(trace.exchanges.at(-1)).toMatchObject({ want: 0, holding: [] });
  });

  it('fails an invalid document at once with every problem and its path', async () => {
    const { result } = await play(stage, { plan, runBatch: succeed }, async () =>
      failureOf((await start({ name: 'x', tasks: { a: { run: { command: [] } } }, pipes: 7 })).result()),
    );
    expect(result).toMatchObject({ type: 'InvalidJob' });
    expect(result.details[0]).toEqual(
      expect.arrayContaining([expect.objectContaining({ path: 'tasks.a.run.command' }), expect.objectContaining({ path: 'pipes' })]),
    );
  });

  it('retries a failed instance on another node and leaves the reason in `why`', async () => {
    const runBatch: RunBatch = (request, signal) => {
      const [first] = request.attempts;
      if (request.task !== 'map' || first!.instance !== 2 || first!.attempt > 1) return succeed(request, signal);
      return { results: [{ ...first!, ok: false, ms: 5, code: 'ProgramFailed', message: 'ProgramFailed: exit code 3: no such luck' }] };
    };
    const { result: why, trace } = await play(stage, { plan, runBatch }, async () => {
      const handle = await start(wordCount);
      await handle.result();
      return handle.query<{ rule: string; because: string }[]>('why');
    });
    const tries = trace.batches.filter((batch) => batch.attempts.some((attempt) => batch.task === 'map' && attempt.instance === 2));
    expect(tries).toHaveLength(2);
    expect(tries[0]!.container.node).not.toBe(tries[1]!.container.node);
    expect(why).toEqual([expect.objectContaining({ rule: 'retry', because: expect.stringContaining('exit code 3') })]);
    expect(trace.published).toHaveLength(1);
  });

  it('fails with the root cause, publishes nothing and cleans up when an instance fails too often', async () => {
    const runBatch: RunBatch = ({ attempts }) => ({
      results: attempts.map(({ instance, attempt }) => ({
        instance,
        attempt,
        ok: false,
        ms: 5,
        code: 'ProgramFailed',
        message: 'exit code 3: no such luck',
      })),
    });
    const { result, trace } = await play(stage, { plan, runBatch }, async () => {
      const handle = await start(wordCount);
      const failure = await failureOf(handle.result());
      return { failure, progress: await handle.query<JobProgress>('progress') };
    });
    expect(result.failure).toMatchObject({
      type: 'ProgramFailed',
      message: expect.stringMatching(/^map: instance \d failed 4 times, .*exit code 3: no such luck/),
    });
    expect(result.progress).toMatchObject({ phase: 'failed', failure: expect.stringContaining('no such luck') });
    expect(trace.published).toEqual([]);
    expect(trace.cleaned).toHaveLength(1);
  });

  it('makes just the lost shuffle outputs again, and the reader goes on with the new ones', async () => {
    let lost = false;
    const runBatch: RunBatch = (request, signal) => {
      if (request.task !== 'reduce' || lost) return succeed(request, signal);
      lost = true;
      const [first] = request.attempts;
      return {
        results: [
          {
            ...first!,
            ok: false,
            ms: 5,
            code: 'ShuffleLost',
            message: 'ShuffleLost: node-2 is gone',
            lost: { task: 'map', instances: [1, 3] },
          },
        ],
      };
    };
    const { result, trace } = await play(stage, { plan, runBatch }, async () => (await start(wordCount)).result() as Promise<JobResult>);
    const again = trace.batches.filter((batch) => batch.task === 'map' && batch.attempts[0]!.attempt > 1_000);
    expect(again.flatMap((batch) => batch.attempts.map((attempt) => attempt.instance)).sort()).toEqual([1, 3]);
    const lastReduce = trace.batches.filter((batch) => batch.task === 'reduce').at(-1)!;
    expect(lastReduce.input).toMatchObject({ from: [{ winners: { instances: 4, first: 1, exceptions: { 1: 1001, 3: 1001 } } }] });
    expect(result.tasks.map).toMatchObject({ done: 4, rerun: 2 });
    expect(trace.published).toHaveLength(1);
  });

  it('kills what runs and cleans up when it is cancelled', async () => {
    let killed = 0;
    const runBatch: RunBatch = (_request, signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          killed++;
          reject(signal.reason);
        });
      });
    const { trace } = await play(stage, { plan, runBatch }, async (trace) => {
      const handle = await start(wordCount);
      await expect.poll(() => trace.batches.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(3);
      await handle.cancel();
      const error = await failureOf(handle.result());
      expect(error.name).toBe('CancelledFailure');
      expect(await handle.query<JobProgress>('progress')).toMatchObject({ phase: 'cancelled' });
    });
    expect(killed).toBe(trace.batches.length);
    expect(trace.cleaned).toHaveLength(1);
    expect(trace.published).toEqual([]);
  });

  it('starts nothing while paused, and refuses what makes no sense', async () => {
    const { trace } = await play(stage, { plan, runBatch: succeed }, async (trace) => {
      const handle = await start(wordCount);
      await handle.executeUpdate('pause');
      const before = trace.published.length;
      await expect(handle.executeUpdate('pause')).rejects.toThrow();
      await expect(handle.executeUpdate('setPriority', { args: [77] })).rejects.toThrow();
      await handle.executeUpdate('setPriority', { args: [9] });
      expect(before).toBe(0);
      await handle.executeUpdate('resume');
      await handle.result();
    });
    expect(trace.published).toHaveLength(1);
  });
});
