import { describe, expect, test } from 'vitest';
import { describeFailure, explainFailure } from '../../infra/cli/ui/failure.ts';
import { describeStatus, type JobStatus, progressLine } from '../../infra/cli/ui/job-view.ts';
import { renderTable, widthOf } from '../../infra/cli/ui/table.ts';
import { formatBytes, formatCount, formatMs, parseBytes } from '../../infra/cli/ui/units.ts';
import type { JobProgress, TaskProgress } from '../../services/fuxi/contract.ts';

describe('figures', () => {
  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1 KiB'],
    [1536, '1.5 KiB'],
    [16 * 1024 * 1024, '16 MiB'],
    [104_857_600, '100 MiB'],
    [1023 * 1024, '1 MiB'],
    [5e12, '4.5 TiB'],
  ])('%d bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  test.each([
    ['8MiB', 8 * 1024 * 1024],
    ['64 KiB', 65_536],
    ['1k', 1024],
    ['1.5M', 1_572_864],
    ['123', 123],
    ['-1', undefined],
    ['1.3', undefined],
    ['lots', undefined],
  ])('%s is %s bytes', (text, bytes) => expect(parseBytes(text)).toBe(bytes));

  test.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [1000, '1.0 s'],
    [59_940, '59.9 s'],
    [59_960, '1 min 00 s'],
    [125_000, '2 min 05 s'],
    [3_720_000, '1 h 02 min'],
  ])('%d ms are %s', (ms, text) => expect(formatMs(ms)).toBe(text));

  test('counts have separators', () => expect([7, 1234, 1234567].map(formatCount)).toEqual(['7', '1,234', '1,234,567']));
});

describe('tables', () => {
  test('columns are as wide as their widest cell, figures stand on the right', () => {
    const columns = [{ title: 'task' }, { title: 'done', align: 'right' }] as const;
    expect(
      renderTable(columns, [
        ['map', '7/12'],
        ['reduce', '10/10'],
      ]),
    ).toBe('task     done\nmap      7/12\nreduce  10/10');
  });

  test('wide characters and colours are counted as the terminal shows them', () => {
    expect([widthOf('飞天'), widthOf('\u001b[31mred\u001b[39m'), widthOf('é')]).toEqual([4, 3, 1]);
  });
});

class Wrapper extends Error {
  constructor(name: string, message: string, cause?: unknown, extra: object = {}) {
    super(message, { cause });
    this.name = name;
    Object.assign(this, extra);
  }
}

describe('failures', () => {
  const exited = new Wrapper('ApplicationFailure', 'map: instance 3 failed 4 times, the last time on node-2: exit code 3', undefined, {
    type: 'ProgramFailed',
  });

  test('the cause is found inside workflow, child workflow and activity', () => {
    const chain = new Wrapper(
      'WorkflowFailedError',
      'Workflow execution failed',
      new Wrapper('ChildWorkflowFailure', 'Child Workflow execution failed', exited),
    );
    expect(explainFailure(chain)).toEqual({ type: 'ProgramFailed', message: exited.message, because: [] });
  });

  test('what it came from is told once, outermost first', () => {
    const disk = new Wrapper('ApplicationFailure', 'ENOSPC: no chunk server has room', undefined, { type: 'PanguError' });
    const storage = new Wrapper('ApplicationFailure', 'publishing failed', new Wrapper('ActivityFailure', 'Activity task failed', disk), {
      type: 'StorageFailed',
    });
    expect(describeFailure(explainFailure(new Wrapper('WorkflowFailedError', 'x', storage)))).toBe(
      'StorageFailed: publishing failed\n  because: ENOSPC: no chunk server has room',
    );
  });

  test('of a refused document every problem is told with its path', () => {
    const problems = [
      { path: 'tasks.map.run', message: 'must name a program' },
      { path: '', message: 'must have a name' },
    ];
    const refused = new Wrapper('ApplicationFailure', '2 problems', undefined, { type: 'InvalidJob', details: [problems] });
    expect(describeFailure(explainFailure(new Wrapper('WorkflowFailedError', 'x', refused)))).toBe(
      'InvalidJob:\n  tasks.map.run: must name a program\n  document: must have a name',
    );
  });

  test('an end without a cause is still told', () => {
    expect(explainFailure(new Wrapper('WorkflowFailedError', 'Workflow execution terminated'))).toMatchObject({
      message: 'Workflow execution terminated',
    });
  });
});

describe('a job', () => {
  const task = (overrides: Partial<TaskProgress>): TaskProgress => ({
    instances: 1,
    done: 0,
    running: 0,
    failedAttempts: 0,
    backups: 0,
    rerun: 0,
    containers: 0,
    bytesIn: 0,
    bytesInTotal: 0,
    bytesOut: 0,
    recordsIn: 0,
    recordsOut: 0,
    attemptMs: 0,
    ...overrides,
  });
  const progress: JobProgress = {
    name: 'wc',
    phase: 'running',
    paused: false,
    outputs: ['pangu://local/out'],
    startedAtMs: 1_000,
    planMs: 120,
    tasks: {
      map: task({ instances: 12, done: 7, running: 3, failedAttempts: 1, bytesIn: 7e6, recordsIn: 12_345, startedAtMs: 2_000 }),
      reduce: task({ instances: 8 }),
    },
  };

  test('shows its tasks in a table', () => {
    const status: JobStatus = { id: 'wc-1', runId: 'r', status: 'RUNNING', startedAtMs: 1_000, ui: 'http://ui/x', progress };
    expect(describeStatus(status, 5_000)).toMatchInlineSnapshot(`
      "job      wc-1
      run      r
      phase    running, 4.0 s (plan 120 ms)
      output   pangu://local/out
      web      http://ui/x

      task    done  running  failed attempts  backups  bytes in  bytes out  records in  records out   time
      map     7/12        3                1        0   6.7 MiB        0 B      12,345            0  3.0 s
      reduce   0/8        0                0        0       0 B        0 B           0            0"
    `);
  });

  test('says when nobody knows of its tasks', () => {
    expect(describeStatus({ id: 'wc-1', runId: 'r', status: 'RUNNING', startedAtMs: 0 }, 1_000)).toContain(
      'its workflow does not answer now',
    );
  });

  test('is one line for those who watch without a terminal', () => {
    expect(progressLine(progress)).toBe('running:  map 7/12 (3 running, 1 failed)  reduce 0/8');
  });
});
