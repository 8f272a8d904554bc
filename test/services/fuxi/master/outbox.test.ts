import { expect, test } from 'vitest';
import { ManualClock } from '../../../../services/base/clock.ts';
import { silentLogger } from '../../../../services/base/log.ts';
import { seededRandom } from '../../../../services/base/random.ts';
import type { TaskMasterRun } from '../../../../services/fuxi/core/pool-state.ts';
import { Outbox } from '../../../../services/fuxi/master/outbox.ts';
import { MemoryWorkflows } from './memory-workflows.ts';

const run = (name: string): TaskMasterRun => ({ taskWorkflowId: name, taskRunId: `${name}-run` });

function outboxOver(workflows: MemoryWorkflows) {
  const clock = new ManualClock();
  const gone: string[] = [];
  const onGone = ({ taskWorkflowId }: TaskMasterRun) => void gone.push(taskWorkflowId);
  const outbox = new Outbox({ workflows, clock, random: seededRandom(1), log: silentLogger, onGone });
  return { outbox, clock, gone };
}

test('signals to one TaskMaster go out in order, one at a time', async () => {
  const workflows = new MemoryWorkflows(['a']);
  const { outbox } = outboxOver(workflows);
  const release = workflows.hold();
  const all = [1, 2, 3].map((payload) => outbox.send(run('a'), 'grant', payload));
  expect(workflows.underWay).toBe(1);
  release();
  await Promise.all(all);
  expect(workflows.taken('a').map(({ payload }) => payload)).toEqual([1, 2, 3]);
});

test('one that cannot be reached does not hold up another', async () => {
  const workflows = new MemoryWorkflows(['a', 'b']);
  const { outbox } = outboxOver(workflows);
  workflows.failing.add('a');
  void outbox.send(run('a'), 'grant', 1);
  await outbox.send(run('b'), 'grant', 2);
  expect(workflows.taken('b')).toHaveLength(1);
  outbox.close();
});

test('while the engine is away a signal is tried again, and nothing overtakes it', async () => {
  const workflows = new MemoryWorkflows(['a']);
  const { outbox, clock } = outboxOver(workflows);
  workflows.failing.add('a');
  const first = outbox.send(run('a'), 'grant', 1);
  const second = outbox.send(run('a'), 'containersLost', 2);
  for (let tries = 1; tries <= 3; tries++) {
    await workflows.tried(tries);
    expect(workflows.taken('a')).toEqual([]);
    if (tries === 3) workflows.failing.clear();
    await new Promise(setImmediate); // the outbox goes to sleep
    clock.advance(2_000);
  }
  await Promise.all([first, second]);
  expect(workflows.taken('a').map(({ name }) => name)).toEqual(['grant', 'containersLost']);
});

test('one that is gone is told of once, and what waited for it is dropped', async () => {
  const workflows = new MemoryWorkflows([]);
  const { outbox, gone } = outboxOver(workflows);
  await Promise.all([outbox.send(run('a'), 'grant', 1), outbox.send(run('a'), 'grant', 2)]);
  expect(gone).toEqual(['a']);
});

test('close drops what was not sent', async () => {
  const workflows = new MemoryWorkflows(['a']);
  const { outbox, gone } = outboxOver(workflows);
  workflows.failing.add('a');
  const sent = outbox.send(run('a'), 'grant', 1);
  await workflows.tried(1);
  outbox.close();
  await sent;
  expect({ taken: workflows.taken('a'), gone }).toEqual({ taken: [], gone: [] });
});

test('a signal that comes in the very moment in which the last one was taken is sent too', async () => {
  for (let turns = 0; turns < 12; turns++) {
    const workflows = new MemoryWorkflows(['a']);
    const { outbox } = outboxOver(workflows);
    void outbox.send(run('a'), 'containersLost', 1);
    for (let i = 0; i < turns; i++) await undefined;
    void outbox.send(run('a'), 'grant', 2);
    await new Promise(setImmediate);
    expect(workflows.taken('a'), `${turns} turns later`).toHaveLength(2);
  }
});
