import { ApplicationFailure, CancelledFailure } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { describe, expect, test } from 'vitest';
import { createDeploy } from '../../../activities/dayu/deploy.ts';
import { createObserve } from '../../../activities/dayu/observe.ts';
import { createRemoveApplication } from '../../../activities/dayu/remove-application.ts';
import { type DayuAgent, type DayuControl, DayuError, type Deployment, type Instance } from '../../../services/dayu/contract.ts';

const deployment = { release: { application: 'hello' } } as Deployment;
const instance = { application: 'hello', state: 'healthy' } as Instance;

/** An agent of which each method does the same. */
function agentThat(does: (control: DayuControl, ...given: unknown[]) => Promise<Instance[]>): DayuAgent {
  return {
    node: 'n1',
    deploy: (of, control) => does(control, of, control.healthyWithinMs),
    remove: async (application, control) => void (await does(control, application)),
    observe: (application, control) => does(control, application, control.ms),
  };
}

const newEnvironment = (): MockActivityEnvironment => new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR', () => {}) });
const failing = (error: unknown): DayuAgent => agentThat(() => Promise.reject(error));
const untilAborted = ({ signal }: DayuControl): Promise<Instance[]> =>
  new Promise((_, reject) => {
    // An agent is free to end in its own words.
    signal.addEventListener('abort', () => reject(new DayuError('Unhealthy', 'it is stopping')));
  });

describe('an order', () => {
  test('hands on what it was given, and what came of it', async () => {
    const given: unknown[] = [];
    const agent = agentThat(async (_, ...words) => {
      given.push(words);
      return [instance];
    });
    const environment = newEnvironment();
    expect(await environment.run(createDeploy(agent), { deployment, healthyWithinMs: 5 })).toEqual([instance]);
    expect(await environment.run(createObserve(agent), { application: 'hello', ms: 7 })).toEqual([instance]);
    expect(await environment.run(createRemoveApplication(agent), { application: 'hello' })).toBeUndefined();
    expect(given).toEqual([[deployment, 5], ['hello', 7], ['hello']]);
  });

  test('fails for good with the code of a refusal, its words and its details', async () => {
    const refusal = new DayuError('StartFailed', 'exit code 3', { details: { node: 'n1' } });
    const failure = await newEnvironment()
      .run(createDeploy(failing(refusal)), { deployment, healthyWithinMs: 5 })
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ApplicationFailure);
    expect(failure).toMatchObject({
      type: 'StartFailed',
      nonRetryable: true,
      message: 'StartFailed: exit code 3',
      details: [{ node: 'n1' }],
    });
  });

  test('may be tried again when it failed for any other reason', async () => {
    const outage = new Error('Pangu is away');
    await expect(newEnvironment().run(createObserve(failing(outage)), { application: 'hello', ms: 1 })).rejects.toBe(outage);
  });

  test('that is cancelled is cancelled, whatever the agent says', async () => {
    const environment = newEnvironment();
    const running = environment.run(createObserve(agentThat(untilAborted)), { application: 'hello', ms: 1 });
    environment.cancel('CANCELLED');
    await expect(running).rejects.toBeInstanceOf(CancelledFailure);
  });

  test('that a stopping node cut off may be tried again', async () => {
    const environment = newEnvironment();
    const running = environment.run(createObserve(agentThat(untilAborted)), { application: 'hello', ms: 1 });
    environment.cancel('WORKER_SHUTDOWN');
    await expect(running).rejects.toMatchObject({ type: 'NodeStopping', nonRetryable: false });
  });

  test('tells what is going on at once, at each change and every second', async () => {
    const beats: unknown[] = [];
    const environment = newEnvironment();
    environment.on('heartbeat', (details: { doing: string }) => beats.push(details.doing));
    const agent = agentThat(async ({ heartbeat }) => {
      heartbeat('waiting');
      await expect.poll(() => beats.length, { timeout: 5_000 }).toBe(3);
      return [];
    });
    await environment.run(createObserve(agent), { application: 'hello', ms: 1 });
    expect(beats).toEqual(['beginning', 'waiting', 'waiting']);
  });
});
