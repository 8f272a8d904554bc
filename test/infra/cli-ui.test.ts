import { describe, expect, test } from 'vitest';
import { copyLine, createCopyBar, drawBar } from '../../infra/cli/ui/bars.ts';
import { Slots } from '../../infra/cli/ui/copy/slots.ts';
import { describeFailure, explainFailure } from '../../infra/cli/ui/failure.ts';
import { describeStatus, type JobStatus, progressLine } from '../../infra/cli/ui/job-view.ts';
import { Listing } from '../../infra/cli/ui/listing.ts';
import { renderTable, widthOf } from '../../infra/cli/ui/table.ts';
import { endOf, startOfLines } from '../../infra/cli/ui/tail.ts';
import { formatBytes, formatCount, formatMs, parseBytes } from '../../infra/cli/ui/units.ts';
import type { JobProgress, TaskProgress } from '../../services/fuxi/contract.ts';
import type { FileStat } from '../../services/pangu/contract.ts';

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

describe('copying', () => {
  test('the bar tells bytes, files, rate and what is left; what was there already counts for no rate', () => {
    const mib = 1024 * 1024;
    const done = { files: 8, bytes: 10 * mib, skippedFiles: 4, skippedBytes: 29 * mib };
    const line = copyLine(done, { files: 16, bytes: 80 * mib }, 5_000);
    expect(line).toBe(`${drawBar(0.5)} 39 MiB of 80 MiB, 12 of 16 files, 2 MiB/s, 17.5 s left`);
  });

  test('many empty files are work too, though no bytes', () => {
    const none = { bytes: 0, skippedFiles: 0, skippedBytes: 0 };
    expect(copyLine({ files: 1, ...none }, { files: 2, bytes: 0 }, 10)).toBe(`${drawBar(0.5)} 0 B of 0 B, 1 of 2 files, 0 B/s, 10 ms left`);
  });

  test('a bar is silent where nobody looks', () => {
    const written: string[] = [];
    const bar = createCopyBar('put', { files: 1, bytes: 1 }, { isTTY: false, write: (text: string) => written.push(text) } as never);
    bar.add(1);
    bar.finishFile();
    bar.stop();
    expect(written).toEqual([]);
  });

  test('slots are given in line: one that wants many is not passed by those that want few', async () => {
    const slots = new Slots(4);
    const order: string[] = [];
    await slots.take(3);
    const many = slots.take(4).then(() => order.push('many'));
    const few = slots.take(1).then(() => order.push('few'));
    slots.give(3);
    await many;
    slots.give(4);
    await few;
    expect(order).toEqual(['many', 'few']);
  });
});

describe('listing', () => {
  const entry = (name: string, size: number): FileStat => ({
    path: `/d/${name}`,
    type: 'file',
    size,
    createdAtMs: 0,
    modifiedAtMs: 0,
    kind: 'append',
    state: 'closed',
    chunkBytes: 65_536,
    replicas: 3,
    owner: '',
  });

  test('a long directory goes out piece by piece under one head, its columns below each other', async () => {
    const pieces: string[] = [];
    const listing = new Listing(
      true,
      ({ path }) => path.slice(3),
      async (text) => Boolean(pieces.push(text)),
    );
    for (let i = 0; i < 2_500; i++) await listing.add(entry(`f${i}`, i === 500 ? 1_000_000 : 1));
    await listing.end();
    const lines = pieces.join('').trimEnd().split('\n');
    expect(pieces).toHaveLength(3);
    expect(lines).toHaveLength(2_501);
    expect(new Set(lines.map((line) => line.indexOf(line === lines[0] ? 'name' : 'f', 20))).size).toBe(1);
  });

  test('ends when nobody reads any more', async () => {
    const listing = new Listing(
      false,
      ({ path }) => path,
      async () => false,
    );
    let added = 0;
    while (await listing.add(entry(`f${added}`, 1))) added++;
    expect(added).toBe(999);
  });
});

test.each([
  ['a\nb\nc\n', 1, 'c\n'],
  ['a\nb\nc', 1, 'c'],
  ['a\nb\nc\n', 2, 'b\nc\n'],
  ['a\nb\n', 9, 'a\nb\n'],
  ['\n\n\n', 2, '\n\n'],
  ['', 3, ''],
  ['a\n', 0, ''],
  [`${'x'.repeat(70_000)}\n${'y'.repeat(70_000)}\nz`, 2, `${'y'.repeat(70_000)}\nz`],
])('the end of %j from its last lines (%d)', async (text, lines, wanted) => {
  const bytes = Buffer.from(text);
  const file = { read: async (at: number, length: number) => bytes.subarray(at, at + length) };
  const end = await endOf(file, 0);
  expect(bytes.subarray(await startOfLines(file, end, lines)).toString()).toBe(wanted);
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
