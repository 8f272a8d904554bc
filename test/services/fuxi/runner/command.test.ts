import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from 'tar';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attemptPath, type TaskInput } from '../../../../services/fuxi/contract.ts';
import { failureOf, type NodeUnderTest, okay, startNodeUnderTest, type TestJob } from './node-under-test.ts';

let node: NodeUnderTest;
beforeAll(async () => {
  node = await startNodeUnderTest();
});
afterAll(() => node?.stop());

const sh = (script: string) => ({ command: ['sh', '-c', script] });

async function textInput(job: TestJob, ...texts: string[]): Promise<TaskInput> {
  const files = texts.map((_, i) => `/text-${job.runId}-${i}`);
  await Promise.all(texts.map((text, i) => node.pangu.writeFile(files[i]!, text)));
  const splits = await job.splits({ files, instances: [texts.map((text, i) => [i, 0, Buffer.byteLength(text)])] });
  return { kind: 'files', splits, format: { kind: 'lines' } };
}

/** Runs one attempt with published output and gives what it wrote. */
async function outputOf(job: TestJob, script: string, input?: TaskInput): Promise<string> {
  const output = { kind: 'files', directory: await job.directory('t') } as const;
  okay(await job.run({ task: 't', program: sh(script), output, ...(input ? { input } : {}) }));
  return String(await node.pangu.readFile(attemptPath(output.directory, 0, 1)));
}

describe('a command', () => {
  test('gets its records on standard input; the last line of each file is whole', async () => {
    const job = await node.job();
    const input = await textInput(job, 'one\ntwo', '', 'three\n', '\n');
    expect(await outputOf(job, 'cat -A', input)).toBe('one$\ntwo$\nthree$\n$\n');
  });

  test('without input is at its end from the beginning', async () => {
    expect(await outputOf(await node.job(), 'cat; echo done')).toBe('done\n');
  });

  test('knows which attempt it is, and little else', async () => {
    const job = await node.job();
    const lines = (await outputOf(job, 'env | sort; pwd')).trim().split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        'FEITIAN_ATTEMPT=1',
        'FEITIAN_INSTANCE=0',
        'FEITIAN_JOB=job',
        'FEITIAN_NODE=n1',
        'FEITIAN_TASK=t',
        'LC_ALL=C',
      ]),
    );
    const names = lines.filter((line) => line.includes('=')).map((line) => line.split('=')[0]!);
    const known =
      /^(FEITIAN_(ATTEMPT|INSTANCE|JOB|NODE|TASK|PROGRAMS_DIR)|PATH|HOME|USER|LOGNAME|SHELL|TZ|LANG|LC_ALL|TMPDIR|PWD|OLDPWD|SHLVL|_)$/;
    expect(names.filter((name) => !known.test(name))).toEqual([]);
    expect(lines.at(-1)).toMatch(/\/containers\/[^/]+\/work$/);
  });

  test('may end without reading its input', async () => {
    const job = await node.job();
    const input = await textInput(job, 'a line of text\n'.repeat(200_000));
    expect(await outputOf(job, 'head -n 1', input)).toBe('a line of text\n');
    expect(await outputOf(job, 'exec <&-; echo closed', input)).toBe('closed\n');
  });

  test('that is slow on both sides is waited for, and much goes through it', async () => {
    const job = await node.job();
    const text = Array.from({ length: 300_000 }, (_, i) => `line ${i} of a text that is longer than any pipe\n`).join('');
    const input = await textInput(job, text);
    expect(await outputOf(job, 'sleep 0.3; cat', input)).toBe(text);
  });

  test('with its output dropped is counted', async () => {
    const job = await node.job();
    const [result] = okay(
      await job.run({ task: 't', program: sh('cat > /dev/null; printf "a\\t1\\nbc\\t2\\n"'), input: await textInput(job, 'x\ny') }),
    );
    expect(result).toMatchObject({ recordsIn: 2, bytesIn: 3, recordsOut: 2, bytesOut: 5 });
  });

  test('finds files of the program directories by their names', async () => {
    const job = await node.job();
    const input = await textInput(job, 'b a b');
    const output = { kind: 'files', directory: await job.directory('t') } as const;
    okay(await job.run({ task: 't', program: { command: ['awk', '-f', 'map.awk'] }, input, output }));
    expect(
      String(await node.pangu.readFile(attemptPath(output.directory, 0, 1)))
        .split('\n')
        .sort(),
    ).toEqual(['', 'a\t1', 'b\t2']);
  });

  test('leaves nothing in its directories for the next attempt', async () => {
    const job = await node.job();
    const program = sh('ls -A . "$TMPDIR"; echo x > left; mkdir deep; echo y > deep/left; mktemp > /dev/null');
    const output = { kind: 'files', directory: await job.directory('t') } as const;
    okay(await job.run({ task: 't', program, output, instances: [0, 1] }));
    const seen = await Promise.all([0, 1].map(async (i) => String(await node.pangu.readFile(attemptPath(output.directory, i, 1)))));
    expect(seen[1]).toBe(seen[0]);
  });

  test('may remove its own directory; the next attempt has one again', async () => {
    const job = await node.job();
    okay(await job.run({ task: 't', program: sh('pwd; rm -rf "$PWD"'), instances: [0, 1] }));
  });
});

describe('a command fails', () => {
  const failure = async (script: string, more: Partial<Parameters<TestJob['run']>[0]> = {}) => {
    const job = await node.job();
    return { job, ...failureOf(await job.run({ task: 't', program: sh(script), ...more })) };
  };

  test('with its exit code, the last line of standard error, and the rest of it below', async () => {
    expect(await failure('exit 3')).toMatchObject({ code: 'ProgramFailed', message: 'exit code 3' });
    expect(await failure('echo no such table >&2; exit 3')).toMatchObject({ code: 'ProgramFailed', message: 'exit code 3: no such table' });
    expect(await failure('echo one >&2; echo two >&2; exit 1')).toMatchObject({
      message: 'exit code 1: two\nstandard error ends with:\none\ntwo',
    });
  });

  test('with the signal that killed it', async () => {
    expect(await failure('kill -SEGV $$')).toMatchObject({ code: 'ProgramFailed', message: 'killed by SIGSEGV' });
  });

  test('with the last 4 KiB of much standard error; the log has all of it', async () => {
    const { message, job } = await failure('seq 1 100000 >&2; exit 9');
    expect(message).toMatch(/^exit code 9: 100000\n/);
    expect(message.length).toBeGreaterThan(3_900);
    expect(message.length).toBeLessThan(4_300);
    const { tuboService } = await import('../../../../services/fuxi/contract.ts');
    const tubo = node.cluster.cluster.kuafu.service(tuboService, 'nuwa://test/tubo/n1');
    const place = { runId: job.runId, task: 't', instance: 0, attempt: 1 };
    const { body, attachment } = await tubo.log({ ...place, offset: 10, length: 6 });
    expect({ total: body.totalBytes, bytes: attachment.toString() }).toEqual({ total: 588_895, bytes: '6\n7\n8\n' });
    expect(await tubo.attempts({ runId: job.runId })).toMatchObject({
      attempts: [{ state: 'failed', logBytes: 588_895, instance: 0, attempt: 1 }],
    });
    expect((await tubo.log({ ...place, attempt: 2, offset: 0, length: 10 })).body.totalBytes).toBe(0);
  });

  test('when it is not there, or is no program', async () => {
    const job = await node.job();
    const run = async (...command: string[]) => failureOf(await job.run({ task: 't', program: { command } }));
    expect(await run('no-such-command', '-x')).toMatchObject({ code: 'ProgramNotFound', message: 'there is no command "no-such-command"' });
    expect(await run('/etc/passwd')).toMatchObject({ code: 'ProgramNotFound', message: '"/etc/passwd" may not be executed' });
  });

  test('and leaves no output', async () => {
    const job = await node.job();
    const output = { kind: 'files', directory: await job.directory('t') } as const;
    failureOf(await job.run({ task: 't', program: sh('echo half; exit 1'), output }));
    expect(await names(output.directory)).toEqual([]);
  });

  test('when a process it left behind holds its output open', async () => {
    expect((await failure('sleep 60 & echo x')).message).toContain('left a process behind that holds its output open');
  }, 30_000);
});

describe('a package', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'feitian-test-package-'));
    await node.pangu.mkdir('/packages');
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  async function pack(name: string, files: Record<string, string>): Promise<string> {
    for (const [file, text] of Object.entries(files)) await writeFile(join(directory, file), text, { mode: 0o755 });
    await create({ gzip: true, file: join(directory, 'package.tgz'), cwd: directory, preservePaths: true }, Object.keys(files));
    const { readFile } = await import('node:fs/promises');
    await node.pangu.writeFile(`/packages/${name}`, await readFile(join(directory, 'package.tgz')));
    return `pangu://test/packages/${name}`;
  }

  test('lies in the working directory, and its own files come before those of the machine', async () => {
    const path = await pack('one.tgz', { true: '#!/bin/sh\ncat words; echo "$@"\n', words: 'from the package\n' });
    const job = await node.job();
    const output = { kind: 'files', directory: await job.directory('t') } as const;
    okay(await job.run({ task: 't', package: path, program: { command: ['true', 'wordcount.ts'] }, output }));
    expect(String(await node.pangu.readFile(attemptPath(output.directory, 0, 1)))).toBe('from the package\nwordcount.ts\n');
  });

  test('may hold modules in several files, and is seen anew when its file is replaced', async () => {
    const job = await node.job();
    const output = { kind: 'files', directory: await job.directory('t') } as const;
    for (const [attempt, word] of [
      [1, 'old'],
      [2, 'new'],
    ] as const) {
      const path = await pack('two.tgz', {
        'main.ts': `import { word } from './word.ts'; export const source = { run(emit: any) { emit(word); } };`,
        'word.ts': `export const word: string = '${word}';`,
      });
      const program = { module: 'main.ts#source' };
      okay(await job.run({ task: 't', taskRunId: `t-${word}`, package: path, program, output, instances: [{ instance: 0, attempt }] }));
      expect(String(await node.pangu.readFile(attemptPath(output.directory, 0, attempt)))).toBe(`${word}\n`);
    }
  });

  test('that is missing, broken or points outside is refused', async () => {
    const job = await node.job();
    const run = async (path: string) => failureOf(await job.run({ task: 't', package: path, program: sh('true') }));
    expect(await run('pangu://test/packages/none.tgz')).toMatchObject({
      code: 'ProgramNotFound',
      message: expect.stringContaining('none.tgz'),
    });
    await node.pangu.writeFile('/packages/broken.tgz', 'this is no archive');
    expect(await run('pangu://test/packages/broken.tgz')).toMatchObject({
      code: 'ProgramNotFound',
      message: expect.stringContaining('broken.tgz'),
    });
    const outside = await pack('outside.tgz', { '../feitian-outside': 'x' });
    expect(await run(outside)).toMatchObject({
      code: 'ProgramNotFound',
      message: expect.stringContaining('outside.tgz cannot be unpacked'),
    });
    await rm(join(directory, '..', 'feitian-outside'), { force: true });
  });
});

async function names(directory: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { path } of node.pangu.readdir(directory)) found.push(path);
  return found;
}
