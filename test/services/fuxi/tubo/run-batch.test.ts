import type { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { expect, test } from 'vitest';
import { type BatchRunner, createRunBatch } from '../../../../activities/fuxi/run-batch.ts';
import type { AttemptResult, BatchRequest, BatchResult, FuxiError } from '../../../../services/fuxi/contract.ts';

const quiet = () => new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });

const request = { task: 'map', container: { id: 'c', node: 'node-3' }, attempts: [] } as unknown as BatchRequest;
const done = (instance: number): AttemptResult => ({
  instance,
  attempt: 1,
  ok: true,
  ms: 1,
  bytesIn: 0,
  bytesOut: 0,
  recordsIn: 0,
  recordsOut: 0,
});
const failed = (instance: number, message: string, attempt = 1): AttemptResult => ({
  instance,
  attempt,
  ok: false,
  ms: 1,
  code: 'ProgramFailed',
  message,
});

const runs = (runBatch: BatchRunner['runBatch']) => createRunBatch({ node: 'node-3', runBatch });
const failureOf = (run: Promise<unknown>): Promise<unknown> =>
  run.then(
    () => {
      throw new Error('it did not fail');
    },
    (error) => error,
  );

test('a batch that went well returns its results and told its heartbeats', async () => {
  const environment = quiet();
  const beats: unknown[] = [];
  environment.on('heartbeat', (details) => beats.push(details));
  const activity = runs(async (_request, { heartbeat }) => {
    heartbeat({ done: 1, of: 2 });
    return { results: [done(0), done(1)] };
  });
  expect(await environment.run(activity, request)).toEqual({ results: [done(0), done(1)] });
  expect(beats).toEqual([{ done: 1, of: 2 }]);
});

test('a failed attempt fails the activity with one readable line, and all results go with it', async () => {
  const results = [done(11), failed(12, 'exit code 3: no such table\nstandard error ends with:\none\nno such table', 2)];
  const activity = runs(async () => ({ results }));
  const failure = (await failureOf(quiet().run(activity, request))) as ApplicationFailure;
  expect(failure).toMatchObject({
    type: 'AttemptFailed',
    nonRetryable: true,
    message: 'map 12, attempt 2 on node-3: ProgramFailed: exit code 3: no such table',
    details: [{ results }],
  });
});

test('when very many attempts failed, the details stay within what the engine takes', async () => {
  const results = Array.from({ length: 200 }, (_, i) => failed(i, `exit code 1: ${i}\n${'x'.repeat(4096)}`));
  const failure = (await failureOf(
    quiet().run(
      runs(async () => ({ results })),
      request,
    ),
  )) as ApplicationFailure;
  const [{ results: told }] = failure.details as [BatchResult];
  expect(told.length).toBe(200);
  expect(told[0]).toEqual(results[0]);
  expect(told[199]).toMatchObject({ message: 'exit code 1: 199' });
  expect(JSON.stringify(told).length).toBeLessThan(500_000);
});

/** A batch that goes on until it is given up, and says why. */
const endless: BatchRunner['runBatch'] = (_request, { signal }) =>
  new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      const { code, reason } = signal.reason as FuxiError;
      resolve({ results: [{ instance: 0, attempt: 1, ok: false, ms: 1, code, message: reason }] });
    });
  });

test('a cancelled activity gives the batch up and ends as cancelled', async () => {
  const environment = quiet();
  const ended = failureOf(environment.run(runs(endless), request));
  environment.cancel();
  const failure = (await ended) as CancelledFailure;
  expect(failure.name).toBe('CancelledFailure');
  expect(failure.details).toMatchObject([{ results: [{ code: 'Killed', message: 'it was cancelled' }] }]);
});

test('a worker that shuts down gives the batch up and reports what ran as lost with its node', async () => {
  const environment = quiet();
  const ended = failureOf(environment.run(runs(endless), request));
  environment.cancel('WORKER_SHUTDOWN');
  const failure = (await ended) as ApplicationFailure;
  expect(failure).toMatchObject({
    type: 'AttemptFailed',
    message: 'map 0, attempt 1 on node-3: NodeLost: its Tubo was stopped',
    details: [{ results: [{ code: 'NodeLost' }] }],
  });
});
