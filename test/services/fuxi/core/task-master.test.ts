import { describe, expect, it } from 'vitest';
import type { AttemptResult, FuxiCode } from '../../../../services/fuxi/contract.ts';
import { type Attempt, type Batch, TaskMaster, type TaskMasterOptions } from '../../../../services/fuxi/core/task-master.ts';

const container = (n: number, node = `node-${n}`) => ({ id: `c${n}`, node });

function master(options: Partial<TaskMasterOptions> & { count?: number; bytes?: number } = {}): TaskMaster {
  const { count = 4, bytes = 20_000_000, ...rest } = options;
  const instances = Array.from({ length: count }, (_, index) => ({ index, bytes, preferred: [] }));
  return new TaskMaster({ task: 'map', instances, maxAttempts: 4, backup: { enabled: true, slowdown: 2, afterFraction: 0.5 }, ...rest }, 0);
}

const ok = ({ instance, attempt }: Attempt, ms = 1_000): AttemptResult => ({
  instance,
  attempt,
  ok: true,
  ms,
  bytesIn: 1,
  bytesOut: 1,
  recordsIn: 1,
  recordsOut: 1,
});
const bad = ({ instance, attempt }: Attempt, code: FuxiCode, more = {}): AttemptResult => ({
  instance,
  attempt,
  ok: false,
  ms: 10,
  code,
  message: `${code}: it broke`,
  ...more,
});
const chosen = (batches: Batch[]) =>
  batches.map((batch) => `${batch.container.node}:${batch.attempts.map((a) => `${a.instance}.${a.attempt}`).join('+')}`);

describe('TaskMaster', () => {
  it('asks for one container per instance and runs each instance once', () => {
    const task = master({ count: 2 });
    expect(task.decide(0).exchange).toMatchObject({ want: 2, holding: [] });
    task.grant([container(1), container(2)]);
    const { start, exchange } = task.decide(10);
    expect(chosen(start)).toEqual(['node-1:0.1', 'node-2:1.1']);
    expect(exchange).toBeUndefined();
    for (const batch of start)
      task.finish(
        batch.id,
        batch.attempts.map((a) => ok(a)),
        1_000,
      );
    expect(task.decide(1_000).outcome).toEqual({ kind: 'done' });
    expect(task.winners).toEqual({ instances: 2, first: 1, exceptions: {} });
  });

  it('runs instances where their input lies', () => {
    const instances = ['node-3', 'node-2', 'node-1'].map((node, index) => ({ index, bytes: 50_000_000, preferred: [node] }));
    const task = master({ instances });
    task.decide(0);
    task.grant([container(1), container(2), container(3)]);
    expect(chosen(task.decide(1).start)).toEqual(['node-1:2.1', 'node-2:1.1', 'node-3:0.1']);
  });

  it('puts many short instances into one batch, but never more than half of an even share', () => {
    const task = master({ count: 100, bytes: 0 });
    task.decide(0);
    task.grant([container(1), container(2)]);
    const sizes = task.decide(1).start.map((batch) => batch.attempts.length);
    expect(sizes).toEqual([25, 19]);
  });

  it('tries a failed instance again on another node, and asks for one when it has none (retry away from the failed node)', () => {
    const task = master({ count: 1 });
    task.decide(0);
    task.grant([container(1)]);
    const [first] = task.decide(1).start;
    task.finish(first!.id, [bad(first!.attempts[0]!, 'ProgramFailed')], 100);
    expect(task.decide(100).start).toEqual([]);
    const later = task.decide(301);
    expect(later.start).toEqual([]);
    expect(later.exchange).toMatchObject({ want: 1, holding: [], avoid: ['node-1'] });
    task.grant([container(2)]);
    expect(chosen(task.decide(400).start)).toEqual(['node-2:0.2']);
  });

  it('comes back to the only node there is when the avoidance ends', () => {
    const task = master({ count: 1 });
    task.decide(0);
    task.grant([container(1)]);
    const [first] = task.decide(1).start;
    task.finish(first!.id, [bad(first!.attempts[0]!, 'ProgramFailed')], 100);
    task.decide(100);
    const { wakeAtMs } = task.decide(301);
    expect(wakeAtMs).toBe(5_100);
    const { exchange } = task.decide(5_100);
    expect(exchange).toMatchObject({ want: 1, avoid: [] });
  });

  it('gives up with the last message when an instance has failed maxAttempts times', () => {
    const task = master({ count: 1, maxAttempts: 2 });
    task.grant([container(1)]);
    const [first] = task.decide(0).start;
    task.finish(first!.id, [bad(first!.attempts[0]!, 'ProgramFailed')], 1);
    task.grant([container(2)]);
    const [second] = task.decide(1_000).start;
    task.finish(second!.id, [bad(second!.attempts[0]!, 'ProgramFailed')], 1_001);
    expect(task.decide(1_001).outcome).toEqual({
      kind: 'failed',
      code: 'ProgramFailed',
      message: 'instance 0 failed 2 times, the last time on node-2: ProgramFailed: it broke',
    });
  });

  it('fails at once on what no attempt can mend', () => {
    const task = master();
    task.grant([container(1)]);
    const [batch] = task.decide(0).start;
    task.finish(batch!.id, [bad(batch!.attempts[0]!, 'InputCorrupt')], 1);
    expect(task.decide(1).outcome).toMatchObject({ kind: 'failed', code: 'InputCorrupt' });
  });

  it('does not count a lost node against the program', () => {
    const task = master({ count: 1, maxAttempts: 1 });
    task.grant([container(1)]);
    const [batch] = task.decide(0).start;
    task.lose(['c1'], 'node-1 is gone', 100);
    const decided = task.decide(100);
    expect(decided.cancel).toEqual([batch!.id]);
    expect(decided.outcome).toBeUndefined();
    expect(decided.exchange).toMatchObject({ want: 1, holding: [] });
    task.grant([container(2)]);
    expect(chosen(task.decide(200).start)).toEqual(['node-2:0.2']);
  });

  it('starts a backup elsewhere for a straggler, takes the first finisher and kills the other (MapReduce section 3.6)', () => {
    const task = master({ count: 4 });
    task.grant([1, 2, 3, 4].map((n) => container(n)));
    const batches = task.decide(0).start;
    expect(batches).toHaveLength(4);
    for (const batch of batches.slice(0, 3)) task.finish(batch.id, [ok(batch.attempts[0]!)], 1_000);
    const early = task.decide(1_000);
    expect(early.start).toEqual([]);
    expect(early.wakeAtMs).toBeLessThanOrEqual(2_000);
    expect(task.decide(2_100).exchange).toMatchObject({ want: 2 });
    task.grant([container(5)]);
    const late = task.decide(2_200);
    expect(late.start).toHaveLength(1);
    expect(late.start[0]).toMatchObject({ attempts: [{ instance: 3, attempt: 2, backup: true }] });
    expect(late.start[0]!.container.node).not.toBe('node-4');
    expect(task.progress.backups).toBe(1);
    task.finish(late.start[0]!.id, [ok(late.start[0]!.attempts[0]!)], 3_000);
    const end = task.decide(3_000);
    expect(end.cancel).toEqual([batches[3]!.id]);
    expect(end.outcome).toEqual({ kind: 'done' });
    expect(task.winners.exceptions).toEqual({ 3: 2 });
    task.finish(batches[3]!.id, [ok(batches[3]!.attempts[0]!)], 3_100);
    expect(task.winners.exceptions).toEqual({ 3: 2 });
    expect(task.decisions.map((decision) => decision.rule)).toEqual(['backup', 'first-wins']);
  });

  it('asks for a container on another node when a straggler has no place for its backup', () => {
    const task = master({ count: 2 });
    task.grant([container(1), container(2)]);
    const [a] = task.decide(0).start;
    task.finish(a!.id, [ok(a!.attempts[0]!)], 500);
    task.decide(500);
    expect(task.decide(1_600).exchange).toMatchObject({ want: 1, holding: [container(2)] });
    const late = task.decide(2_100);
    expect(late.exchange).toMatchObject({ want: 2, avoid: ['node-2'] });
  });

  it('takes back what a long batch has not begun, with the same attempt numbers', () => {
    const task = master({ count: 8, bytes: 0 });
    task.grant([container(1), container(2)]);
    const [batch] = task.decide(0).start;
    expect(batch!.attempts.map((a) => a.instance)).toEqual([0, 1]);
    task.partial(batch!.id, [], [1], 3_000);
    task.grant([container(3)]);
    expect(chosen(task.decide(3_001).start)[0]).toMatch(/^node-3:1\.1/);
  });

  it('waits for lost inputs to be made again, tells what is lost once, and then goes on', () => {
    const task = master({ count: 1 });
    task.grant([container(1)]);
    const [batch] = task.decide(0).start;
    task.finish(batch!.id, [bad(batch!.attempts[0]!, 'ShuffleLost', { lost: { task: 'map', instances: [7, 3] } })], 10);
    const decided = task.decide(10);
    expect(decided.lost).toEqual([{ task: 'map', instances: [3, 7] }]);
    expect(decided.start).toEqual([]);
    expect(task.decide(2_000)).toMatchObject({ lost: [], exchange: { want: 0, holding: [] } });
    task.repaired(1);
    const again = task.decide(3_000);
    expect(again.exchange).toMatchObject({ want: 1 });
    task.grant([container(9)]);
    expect(chosen(task.decide(3_001).start)).toEqual(['node-9:0.2']);
  });

  it('begins an attempt again at once when the loss that it met was mended meanwhile', () => {
    const task = master({ count: 2 });
    task.grant([container(1), container(2)]);
    const [a, b] = task.decide(0).start;
    task.finish(a!.id, [bad(a!.attempts[0]!, 'ShuffleLost', { lost: { task: 'map', instances: [1] } })], 10);
    expect(task.decide(10).lost).toEqual([{ task: 'map', instances: [1] }]);
    task.repaired(1);
    task.finish(b!.id, [bad(b!.attempts[0]!, 'ShuffleLost', { lost: { task: 'map', instances: [1] } })], 20);
    const decided = task.decide(20);
    expect(decided.lost).toEqual([]);
    expect(chosen(decided.start).sort()).toEqual(['node-1:0.2', 'node-2:1.2'].sort());
  });

  it('tells its wants again when nothing comes, ever more rarely', () => {
    const task = master({ count: 1 });
    expect(task.decide(0)).toMatchObject({ exchange: { want: 1 }, wakeAtMs: 10_000 });
    expect(task.decide(5_000).exchange).toBeUndefined();
    expect(task.decide(10_000)).toMatchObject({ exchange: { want: 1 }, wakeAtMs: 30_000 });
    expect(task.decide(30_000)).toMatchObject({ exchange: { want: 1 }, wakeAtMs: 70_000 });
  });

  it('starts nothing while paused and gives idle containers back', () => {
    const task = master({ count: 2 });
    task.grant([container(1), container(2)]);
    task.pause(true);
    expect(task.decide(0)).toMatchObject({ start: [], exchange: { want: 0, holding: [] } });
    task.pause(false);
    expect(task.decide(10).exchange).toMatchObject({ want: 2 });
  });

  it('leaves a node where several instances failed and none succeeded', () => {
    const task = master({ count: 6 });
    task.grant([container(1), container(2)]);
    for (let nowMs = 0; nowMs < 5_000; nowMs += 100) {
      const { start, exchange } = task.decide(nowMs);
      if (exchange?.avoid.includes('node-1') && !exchange.holding.some((held) => held.node === 'node-1')) return;
      for (const batch of start) {
        const good = batch.container.node === 'node-2';
        task.finish(
          batch.id,
          batch.attempts.map((a) => (good && a.instance < 1 ? ok(a) : bad(a, 'ProgramFailed'))),
          nowMs + 1,
        );
      }
    }
    expect.unreachable('node-1 was never avoided');
  });
});
