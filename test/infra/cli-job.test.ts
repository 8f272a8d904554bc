import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { register } from '../../infra/cli/commands/job.ts';
import { silentLogger } from '../../services/base/log.ts';
import { type BatchRequest, FEITIAN_QUEUE, TUBO_SERVICE, tuboService } from '../../services/fuxi/contract.ts';
import type { PlannedJob } from '../../services/fuxi/core/planned-job.ts';
import { implement, serve } from '../../services/kuafu/server.ts';
import { joinCluster } from '../../services/nuwa/client.ts';
import { startNuwa } from '../../services/nuwa/server.ts';
import { openStage, play, type RunBatch, succeed } from '../helpers/fuxi-workflows.ts';
import { type Ran, runVerbs } from './cli-stage.ts';

const LISTEN = 'tcp://127.0.0.1:0';
const plan: PlannedJob = { tasks: { work: { instances: 2, bytes: [], preferred: [], nodes: [], inputBytes: 0, inputFiles: 0 } } };
const document = (name: string, program = 'true') => ({
  name,
  tasks: { work: { run: { command: [program] }, instances: 2, retry: { maxAttempts: 2 } } },
});

/** What batches do, by the program they were asked to run. */
const runBatch: RunBatch = (request, signal) => {
  const [program] = (request.program as { command: string[] }).command;
  if (program === 'false')
    return {
      results: request.attempts.map((each) => ({ ...each, ok: false, ms: 1, code: 'ProgramFailed', message: 'exit code 3: no such luck' })),
    };
  if (program !== 'sleep') return succeed(request, signal);
  return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
};

describe('feitian job', () => {
  let dir: string;
  let client: Awaited<ReturnType<typeof openStage>>['environment']['client'];
  const closing: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    // What workers log would stand among what the verbs print.
    Runtime.install({ logger: new DefaultLogger('ERROR', () => {}) });
    dir = await mkdtemp(join(tmpdir(), 'feitian-test-job-'));
    closing.push(() => rm(dir, { recursive: true }));
    const nuwa = await startNuwa({ cluster: 'local', dataDir: join(dir, 'nuwa'), listen: LISTEN }, { log: silentLogger });
    closing.push(() => nuwa.stop());
    const member = await joinCluster({ cluster: 'local', nuwa: [nuwa.address], creator: 'test' });
    closing.push(() => member.leave());
    const tubo = await serve({ guard: 'none', address: LISTEN, implementations: [implement(tuboService, literalTubo)] });
    closing.push(() => tubo.close());
    await member.nuwa.register(TUBO_SERVICE, 'node-1', { address: tubo.address });

    const stage = await openStage();
    closing.push(() => stage.environment.teardown());
    client = stage.environment.client;
    let over = (): void => {};
    const playing = play(stage, { plan, runBatch }, () => new Promise<void>((resolve) => (over = resolve)));
    closing.push(() => {
      over();
      return playing;
    });
    const info = {
      name: 'local',
      temporal: { address: stage.environment.address, namespace: 'default', ui: 'http://ui' },
      postgres: { url: 'postgres://nowhere' },
      nuwa: { kuafu: [nuwa.address.replace('tcp://', '')], zookeeper: [] },
      nodes: [],
      processes: [],
      admin: { keyFile: '' },
    };
    await writeFile(join(dir, 'cluster.json'), JSON.stringify(info));
    for (const [name, content] of Object.entries({
      good: document('good'),
      bad: document('bad', 'false'),
      endless: document('endless', 'sleep'),
    }))
      await writeFile(join(dir, `${name}.json`), JSON.stringify(content));
  });

  afterAll(async () => {
    for (const close of closing.reverse()) await close();
  });

  const job = (verb: string, ...args: string[]): Promise<Ran> => runVerbs([register], ['job', verb, '--dir', dir, ...args]);
  const file = (name: string): string => join(dir, `${name}.json`);

  test('submit starts it and says where to look', async () => {
    const ran = await job('submit', file('good'));
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(
      /^good-[0-9a-f]{6}\nhttp:\/\/ui\/namespaces\/default\/workflows\/good-[0-9a-f]{6}\/[0-9a-f-]{36}\/history\n$/,
    );
  });

  test('submit --wait tells how it went', async () => {
    const ran = await job('submit', file('good'), '--wait', '--id', 'waited');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(/phase {4}done/);
    expect(ran.stdout).toMatch(/work {3}2\/2 {8}0/);
  });

  test('a failed job exits 1 and its root cause is told once', async () => {
    const ran = await job('submit', file('bad'), '--watch', '--id', 'failed');
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/feitian: ProgramFailed: work: instance \d failed 2 times, .*exit code 3: no such luck\n$/);
    const status = await job('status', 'failed');
    expect(status.code).toBe(0);
    expect(status.stdout.match(/no such luck/g)).toHaveLength(1);
    expect(JSON.parse((await job('status', 'failed', '--json')).stdout)).toMatchObject({
      id: 'failed',
      status: 'FAILED',
      progress: { phase: 'failed' },
      failure: { type: 'ProgramFailed' },
    });
    expect(await job('watch', 'failed')).toMatchObject({ code: 1, stderr: expect.stringContaining('ProgramFailed') });
  });

  test('a document with mistakes is not sent; every mistake is told with its path', async () => {
    await writeFile(file('wrong'), JSON.stringify({ name: 'wrong!', tasks: { work: { run: { command: [] } } } }));
    const ran = await job('submit', file('wrong'));
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(/^feitian: InvalidJob: .* has 2 problems\n {2}name: .*\n {2}tasks\.work\.run\.command: .*\n$/);
  });

  test('one that another client sent all the same shows its mistakes in its status', async () => {
    const handle = await client.workflow.start('fuxiJob', {
      taskQueue: FEITIAN_QUEUE,
      workflowId: 'wrong',
      args: [{ name: 'x', tasks: 7 }],
    });
    await handle.result().catch(() => {});
    expect((await job('status', 'wrong')).stdout).toMatch(/phase {4}failed.*\n[\s\S]*InvalidJob: .*tasks/);
  });

  test.each([
    ['no file', ['submit', '/no/such.json'], 2, 'is not there'],
    ['no JSON', ['submit', import.meta.filename], 2, 'is not JSON'],
    ['no job', ['status', 'nobody'], 1, 'there is no job nobody; see them with: feitian job list'],
    ['no job to watch', ['watch', 'nobody'], 1, 'there is no job nobody'],
    ['a bad number', ['list', '--limit', 'x'], 2, 'not a whole number'],
  ])('%s: it says so', async (_what, [verb, ...args], code, text) => {
    const ran = await job(verb!, ...args);
    expect(ran).toMatchObject({ code, stdout: '' });
    expect(ran.stderr).toContain(text);
  });

  test('a running job is listed, keeps its id, and is cancelled when asked to', async () => {
    await job('submit', file('endless'), '--id', 'endless');
    expect(await job('submit', file('endless'), '--id', 'endless')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('a job with the id endless is running'),
    });
    await listed('endless', 'running');
    expect(await job('cancel', 'endless', '--wait')).toMatchObject({ code: 0, stdout: 'endless has ended\n' });
    await listed('endless', 'cancelled');
    expect((await job('status', 'endless')).stdout).toMatch(/phase {4}cancelled/);
    expect((await job('list', '--limit', '1')).stdout.trim().split('\n')).toHaveLength(2);
  });

  /** The list lags behind a little. */
  const listed = async (id: string, status: string): Promise<void> => {
    for (;;) {
      const jobs = JSON.parse((await job('list', '--json')).stdout) as { id: string; status: string }[];
      if (jobs.some((each) => each.id === id && each.status === status)) return;
    }
  };

  test('logs are asked of every Tubo, and can be narrowed down', async () => {
    await job('submit', file('good'), '--wait', '--id', 'logged');
    const all = await job('logs', 'logged');
    expect(all.stdout).toBe(
      '==> work 0, attempt 1 on node-1: failed <==\nnothing works\n==> work 0, attempt 2 on node-1: done <==\nit works\n',
    );
    expect((await job('logs', 'logged', '--task', 'work', '--instance', '1')).stdout).toBe('==> work 1, attempt 1 on node-1: done <==\n\n');
    expect(JSON.parse((await job('logs', 'logged', '--json')).stdout)).toHaveLength(3);
    expect((await job('logs', 'logged', '--task', 'other')).stdout).toBe('');
  });

  test.each(['submit', 'status', 'list', 'watch', 'cancel', 'logs'])('the help of %s has an example', async (verb) => {
    expect((await job(verb, '--help')).stdout).toContain(`$ feitian job ${verb}`);
  });
});

const LOGS: Record<string, string> = { '0/1': 'nothing works\n', '0/2': 'it works\n', '1/1': '' };

const literalTubo = {
  attempts: async ({ runId }: { runId?: string | undefined }) => ({
    attempts: Object.entries(LOGS).map(([key, text]) => {
      const [instance, attempt] = key.split('/').map(Number);
      const state = key === '0/1' ? ('failed' as const) : ('done' as const);
      return { runId: runId!, task: 'work', instance: instance!, attempt: attempt!, state, startedAtMs: 0, logBytes: text.length };
    }),
  }),
  log: async ({ instance, attempt, offset }: Pick<BatchRequest['attempts'][number], 'instance' | 'attempt'> & { offset: number }) => {
    const text = Buffer.from(LOGS[`${instance}/${attempt}`]!);
    // Piece by piece, as a large log comes.
    return { body: { totalBytes: text.length }, attachment: text.subarray(offset, offset + 4) };
  },
};
