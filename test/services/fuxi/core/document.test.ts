import { describe, expect, it } from 'vitest';
import { describeProblems } from '../../../../services/base/problems.ts';
import { parseJob } from '../../../../services/fuxi/core/document.ts';

const wordCount = () => ({
  name: 'wordcount',
  tasks: {
    map: { run: { module: 'wordcount.ts#map' } },
    reduce: { run: { command: ['awk', '-f', 'reduce.awk'] }, instances: 8 },
  },
  pipes: [
    { source: { filePattern: 'pangu://local/books/*.txt', format: 'lines' }, destination: { accessPoint: 'map:input' } },
    { source: { accessPoint: 'map:output' }, destination: { accessPoint: 'reduce:input' }, shuffle: 'hash' },
    { source: { accessPoint: 'reduce:output' }, destination: { filePattern: 'pangu://local/out/' } },
  ] as Record<string, unknown>[],
});

// biome-ignore lint/suspicious/noExplicitAny: the tests put into the document what does not belong there.
type Anything = any;

function problems(change: (document: Anything) => void): string[] {
  const document = wordCount();
  change(document);
  const parsed = parseJob(document);
  return parsed.ok ? [] : parsed.problems.map(({ path, message }) => `${path}: ${message}`);
}

describe('parseJob', () => {
  it('fills in every default and turns pipes into inputs and outputs', () => {
    const parsed = parseJob(wordCount());
    expect(parsed).toMatchObject({
      ok: true,
      job: {
        user: 'default',
        quotaGroup: 'default',
        priority: 5,
        order: ['map', 'reduce'],
        tasks: {
          map: {
            instances: 'auto',
            resources: { cpu: 1, memoryMiB: 256, virtual: {} },
            maxAttempts: 4,
            backup: { enabled: true, slowdown: 2, afterFraction: 0.5 },
            input: { kind: 'files', sources: [{ filePattern: 'pangu://local/books/*.txt' }], format: { kind: 'lines' } },
            output: { kind: 'shuffle', to: 'reduce' },
          },
          reduce: {
            input: { kind: 'shuffle', from: ['map'] },
            output: { kind: 'files', directory: 'pangu://local/out', overwrite: false },
          },
        },
      },
    });
  });

  it.each(['constructor', 'toString', 'hasOwnProperty'])('knows no task that only every object has: %s', (name) => {
    const told = problems((document) => {
      document.pipes[0].destination.accessPoint = `${name}:input`;
      document.pipes[2].source.accessPoint = `${name}:output`;
    });
    expect(told.filter((problem) => problem.includes(name))).toHaveLength(2);
  });

  it('tells what is wrong with single fields and what does not fit together at once', () => {
    const told = problems((document) => {
      document.name = 'x y';
      document.tasks.map.instances = -1;
      document.pipes[1].source.accessPoint = 'zz:output';
      document.pipes[2].destination.filePattern = 'pangu://local/.fuxi/mine';
    });
    expect(told).toEqual([
      'name: must be 1 to 100 letters, digits, "_", "." or "-"',
      'tasks.map.instances: must be "auto" or a whole number from 1 to 20000',
      'pipes[1].source.accessPoint: there is no task "zz"; tasks are map, reduce',
      'pipes[2].destination.filePattern: /.fuxi is where jobs keep their own files',
    ]);
  });

  it.each([
    ['nothing', undefined],
    ['an empty object', {}],
    ['two programs', { command: ['cat'], module: 'a.ts#b' }],
  ])('a task whose program is %s is told what it needs', (_, run) => {
    const [told] = problems((document) => {
      document.tasks.map.run = run;
    });
    expect(told).toMatch(/^tasks\.map\.run: must (be an object with|have) a "command" or a "module"/);
  });

  it.each([null, 1, 'text', [], [1], { tasks: 1, pipes: 1 }, { tasks: { a: null }, pipes: [null] }])(
    'refuses %j without stumbling',
    (document) => {
      expect(parseJob(document).ok).toBe(false);
    },
  );

  it('orders tasks after what they read, however they are written', () => {
    const document = wordCount();
    document.tasks = { reduce: document.tasks.reduce, map: document.tasks.map };
    const parsed = parseJob(document);
    expect(parsed.ok && parsed.job.order).toEqual(['map', 'reduce']);
  });

  it.each<[string, (document: Anything) => void, string]>([
    ['a missing name', (d) => delete d.name, 'name: '],
    ['an unknown field', (d) => (d.colour = 'red'), 'colour: is not a known field'],
    ['an unknown field of a task', (d) => (d.tasks.map.cpus = 2), 'tasks.map.cpus: is not a known field'],
    ['a negative cpu', (d) => (d.tasks.map.resources = { cpu: -1 }), 'tasks.map.resources.cpu: '],
    ['instances of zero', (d) => (d.tasks.map.instances = 0), 'tasks.map.instances: '],
    ['a task without a program', (d) => delete d.tasks.map.run, 'tasks.map.run: '],
    ['an empty command', (d) => (d.tasks.map.run = { command: [] }), 'tasks.map.run.command: must name a program'],
    ['a module without an export', (d) => (d.tasks.map.run = { module: 'wordcount.ts' }), 'tasks.map.run.module: must be'],
    ['an unknown operator', (d) => (d.tasks.map.run = { operator: 'sort' }), 'tasks.map.run.operator: there is no operator "sort"'],
    [
      'no tasks',
      (d) => {
        d.tasks = {};
        d.pipes = [];
      },
      'tasks: must hold at least one task',
    ],
    [
      'a pipe to a task that is not there',
      (d) => (d.pipes[1].destination.accessPoint = 'sum:input'),
      'pipes[1].destination.accessPoint: there is no task "sum"',
    ],
    [
      'a pipe into an output',
      (d) => (d.pipes[0].destination.accessPoint = 'map:output'),
      'pipes[0].destination.accessPoint: "map:output" stands where',
    ],
    ['a pipe between tasks without shuffle', (d) => delete d.pipes[1].shuffle, 'pipes[1].shuffle: a pipe between tasks needs'],
    ['an unknown shuffle', (d) => (d.pipes[1].shuffle = 'range'), 'pipes[1].shuffle: must be "hash"'],
    [
      'a path that is no pangu path',
      (d) => (d.pipes[0].source.filePattern = '/books'),
      'pipes[0].source.filePattern: must be a path such as',
    ],
    [
      'a destination with wildcards',
      (d) => (d.pipes[2].destination.filePattern = 'pangu://local/out/*'),
      'pipes[2].destination.filePattern: a destination is one directory',
    ],
    [
      'the root as destination',
      (d) => (d.pipes[2].destination.filePattern = 'pangu://local/'),
      'pipes[2].destination.filePattern: must name a directory below the root',
    ],
    [
      'a destination with ..',
      (d) => (d.pipes[2].destination.filePattern = 'pangu://local/a/../b'),
      'pipes[2].destination.filePattern: has an empty segment',
    ],
    [
      'a second output',
      (d) => d.pipes.push({ source: { accessPoint: 'reduce:output' }, destination: { filePattern: 'pangu://local/two/' } }),
      'pipes[3].source.accessPoint: reduce:output has a pipe already',
    ],
    [
      'a circle',
      (d) =>
        (d.pipes = [d.pipes[1], { source: { accessPoint: 'reduce:output' }, destination: { accessPoint: 'map:input' }, shuffle: 'hash' }]),
      'pipes: the tasks form a circle',
    ],
    [
      'no document',
      (d) => {
        for (const key of Object.keys(d)) delete d[key];
      },
      'name: ',
    ],
  ])('refuses %s with its path', (_what, change, expected) => {
    const found = problems(change);
    expect(found.length).toBeGreaterThan(0);
    expect(
      found.some((problem) => problem.startsWith(expected)),
      found.join('\n'),
    ).toBe(true);
  });

  it('refuses what is no object at all', () => {
    for (const document of [undefined, null, 7, 'job', []]) {
      const parsed = parseJob(document);
      expect(parsed.ok).toBe(false);
      expect(!parsed.ok && describeProblems(parsed.problems)).toContain('document');
    }
  });

  it('lists all problems at once', () => {
    const found = problems((document) => {
      document.priority = 99;
      document.tasks.map = { run: { module: 'x' }, instances: -1 } as never;
      document.pipes[1]!.shuffle = 'range';
    });
    expect(found.map((problem) => problem.split(':')[0])).toEqual(
      expect.arrayContaining(['priority', 'tasks.map.run.module', 'tasks.map.instances', 'pipes[1].shuffle']),
    );
  });

  it('refuses destinations that lie within one another', () => {
    const found = problems((document) => {
      document.tasks = { ...document.tasks, other: { run: { command: ['true'] } } } as never;
      document.pipes.push({ source: { accessPoint: 'other:output' }, destination: { filePattern: 'pangu://local/out/deeper' } });
    });
    expect(found).toEqual(['pipes[3].destination.filePattern: is, or lies within, the destination of pipes[2].destination.filePattern']);
  });
});
