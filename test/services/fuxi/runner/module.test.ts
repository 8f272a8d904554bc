import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attemptPath, taskDirectory, tuboService } from '../../../../services/fuxi/contract.ts';
import { failureOf, type NodeUnderTest, okay, startNodeUnderTest } from './node-under-test.ts';

let node: NodeUnderTest;
beforeAll(async () => {
  node = await startNodeUnderTest();
});
afterAll(() => node?.stop());

/** Puts a program where a job can name it. */
async function program(name: string, source: string): Promise<string> {
  await node.pangu.mkdir('/programs', { recursive: true });
  await node.pangu.writeFile(`/programs/${name}`, source);
  return `pangu://test/programs/${name}`;
}

describe('a module', () => {
  test('without input runs once and may emit, also in setup and finish, and wait', async () => {
    const module = await program(
      'source.ts',
      `import type { SourceProgram } from 'feitian/sdk';
       let greeting = '';
       export const source: SourceProgram = {
         async setup() { greeting = await Promise.resolve('hello'); },
         async run(emit, context) {
           emit(greeting, context.instance);
           await context.drain();
           emit(Buffer.from([0xff, 0x41]), 'bytes');
           emit('飞天');
           emit.range(Buffer.from('a word here'), 2, 6, 1.5);
         },
         finish(emit, { job, task, attempt, node }) { emit([job, task, attempt, node].join(' ')); },
       };`,
    );
    const job = await node.job();
    const output = { kind: 'files', directory: await job.directory('t') } as const;
    const [result] = okay(
      await job.run({ task: 't', program: { module: `${module}#source` }, output, instances: [{ instance: 3, attempt: 2 }] }),
    );
    const written = await node.pangu.readFile(attemptPath(output.directory, 3, 2));
    expect(written.toString('latin1')).toBe(`hello\t3\n\xffA\tbytes\n${Buffer.from('飞天').toString('latin1')}\nword\t1.5\njob t 2 n1\n`);
    expect(result).toMatchObject({ instance: 3, attempt: 2, ok: true, recordsOut: 5, bytesOut: written.length, recordsIn: 0 });
  });

  test('reads fixed-length records of its ranges only', async () => {
    const module = await program(
      'fixed.ts',
      `export const map = { map(record, emit) { emit(record.bytes().toString('hex'), String(record)); } };`,
    );
    await node.pangu.writeFile('/fixed', 'aaabbbcccddd');
    const job = await node.job();
    const splits = await job.splits({ files: ['/fixed'], instances: [[[0, 0, 4]], [[0, 4, 4]], [[0, 8, 4]]] });
    const output = { kind: 'files', directory: await job.directory('t') } as const;
    const input = { kind: 'files', splits, format: { kind: 'fixed', bytes: 3 } } as const;
    const results = okay(await job.run({ task: 't', program: { module: `${module}#map` }, input, output, instances: [0, 1, 2] }));
    const texts = await Promise.all([0, 1, 2].map(async (i) => String(await node.pangu.readFile(attemptPath(output.directory, i, 1)))));
    expect(texts).toEqual(['616161\taaa\n626262\tbbb\n', '636363\tccc\n', '646464\tddd\n']);
    expect(results).toMatchObject([{ recordsIn: 2, bytesIn: 6 }, { recordsIn: 1 }, { recordsIn: 1 }]);
  });

  test('is told that a file of fixed-length records has a wrong length', async () => {
    await node.pangu.writeFile('/odd', 'aaabb');
    const module = await program('never.ts', 'export const map = { map() {} };');
    const job = await node.job();
    const splits = await job.splits({ files: ['/odd'], instances: [[[0, 0, 5]]] });
    const input = { kind: 'files', splits, format: { kind: 'fixed', bytes: 3 } } as const;
    const failure = failureOf(await job.run({ task: 't', program: { module: `${module}#map` }, input }));
    expect(failure).toMatchObject({ code: 'InputCorrupt', message: '/odd has 5 bytes, which is no multiple of 3, the length of a record' });
  });

  test('that throws fails its attempt with its message, and its stack is in the log', async () => {
    const module = await program(
      'throws.ts',
      `export const source = { run() { console.error('about to fail'); throw new TypeError('no such colour'); } };
       export const later = { async run() { await Promise.reject(new Error('later')); } };
       export const astray = { async run() { setTimeout(() => { throw new Error('astray'); }); await new Promise(() => {}); } };`,
    );
    const job = await node.job();
    const failure = failureOf(await job.run({ task: 't', program: { module: `${module}#source` } }));
    expect(failure).toMatchObject({ code: 'ProgramFailed', message: 'no such colour' });
    const { attachment } = await logOf(job.runId, 0);
    expect(attachment.toString()).toMatch(/^about to fail\nTypeError: no such colour\n {4}at /);
    expect(failureOf(await job.run({ task: 't', program: { module: `${module}#later` } })).message).toBe('later');
    expect(failureOf(await job.run({ task: 't', program: { module: `${module}#astray` } })).message).toBe('astray');
  });

  test('that ends its process fails its attempt, and the next attempt has a new process', async () => {
    const module = await program(
      'exits.ts',
      `export const source = { run(emit, { instance }) { if (instance === 0) process.exit(7); if (instance === 1) process.kill(process.pid, 'SIGKILL'); } };`,
    );
    const job = await node.job();
    const { results } = await job.run({ task: 't', program: { module: `${module}#source` }, instances: [0, 1, 2] });
    expect(results).toMatchObject([
      { ok: false, code: 'ProgramFailed', message: 'the program ended its process with exit code 7' },
      { ok: false, code: 'ProgramFailed', message: "the container's process was killed by SIGKILL" },
      { ok: true },
    ]);
  });

  test('that uses up its memory fails with the words of the engine', async () => {
    const module = await program(
      'hog.ts',
      'const kept = []; export const source = { run() { for (;;) kept.push(new Array(1e5).fill({})); } };',
    );
    const job = await node.job();
    const failure = failureOf(await job.run({ task: 't', program: { module: `${module}#source` }, memoryMiB: 128, taskRunId: 'hog' }));
    expect(failure.code).toBe('ProgramFailed');
    expect(failure.message).toMatch(/^the container's process was killed by SIGABRT/);
    expect(failure.message).toContain('JavaScript heap out of memory');
  });

  test('keeps its state from one attempt to the next, as they share a process', async () => {
    const module = await program('state.ts', `let seen = 0; export const source = { run(emit) { emit(String(++seen), process.pid); } };`);
    const job = await node.job();
    const output = { kind: 'files', directory: await job.directory('t') } as const;
    okay(await job.run({ task: 't', program: { module: `${module}#source` }, output, instances: [0, 1] }));
    const lines = await Promise.all(
      [0, 1].map(async (i) =>
        String(await node.pangu.readFile(attemptPath(output.directory, i, 1)))
          .trim()
          .split('\t'),
      ),
    );
    expect(lines.map(([seen]) => seen)).toEqual(['1', '2']);
    expect(lines[0]![1]).toBe(lines[1]![1]);
  });
});

describe('a module that is not there', () => {
  const message = async (module: string, input?: 'files'): Promise<string> => {
    const job = await node.job();
    const splits = input && (await job.splits({ files: [], instances: [[]] }));
    const failure = failureOf(
      await job.run({ task: 't', program: { module }, ...(splits ? { input: { kind: 'files', splits, format: { kind: 'lines' } } } : {}) }),
    );
    return `${failure.code}: ${failure.message}`;
  };

  test('is told by name and place', async () => {
    expect(await message('nowhere.ts#map')).toMatch(/^ProgramNotFound: there is no nowhere\.ts in \/.*examples$/);
    expect(await message('pangu://test/nowhere.ts#map')).toMatch(/^ProgramNotFound: .*nowhere\.ts/);
  });

  test('cannot lie outside the program directories', async () => {
    expect(await message('../wordcount.ts#map')).toBe(
      'ProgramNotFound: ../wordcount.ts: a module is named by a path within its package, without ".."',
    );
    expect(await message('/etc/passwd#map')).toContain('without ".."');
    expect(await message('a/../../b.ts#map')).toContain('without ".."');
  });

  test('has not the export, or not the function, that was named', async () => {
    expect(await message('wordcount.ts#mop', 'files')).toMatch(/wordcount\.ts exports no program "mop"; it exports map, reduce$/);
    expect(await message('wordcount.ts#reduce', 'files')).toBe(
      'ProgramNotFound: wordcount.ts#reduce has no function "map", which a task with files to read needs',
    );
  });

  test('or cannot be compiled', async () => {
    const module = await program('broken.ts', 'export const source = {');
    expect(await message(`${module}#source`)).toMatch(/^ProgramFailed: .*broken\.ts#source could not be loaded: /);
  });
});

test('input that is not there, and a job whose directory is gone, are told by path', async () => {
  const job = await node.job();
  const program = { module: 'wordcount.ts#map' };
  const splits = await job.splits({ files: ['/no/such/text'], instances: [[[0, 0, 10]]] });
  const input = { kind: 'files', splits, format: { kind: 'lines' } } as const;
  expect(failureOf(await job.run({ task: 't', program, input }))).toMatchObject({
    code: 'InputNotFound',
    message: expect.stringContaining('/no/such/text'),
  });
  const output = { kind: 'shuffle', directory: taskDirectory(job.runId, 'gone'), partitions: 2 } as const;
  const failure = failureOf(await job.run({ task: 't', program, input, output }));
  expect(failure).toMatchObject({ code: 'StorageFailed', message: expect.stringContaining(`${output.directory}/00000.1`) });
  await expect(node.pangu.stat(output.directory)).rejects.toMatchObject({ code: 'ENOENT' });
});

async function logOf(runId: string, instance: number) {
  const tubo = node.cluster.cluster.kuafu.service(tuboService, `nuwa://test/tubo/${node.tubo.node}`);
  return tubo.log({ runId, task: 't', instance, attempt: 1, offset: 0, length: 1_000_000 });
}
