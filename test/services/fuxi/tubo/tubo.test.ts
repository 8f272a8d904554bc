import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../../services/base/log.ts';
import { processStartTime, sendSignal } from '../../../../services/base/process.ts';
import { FuxiError, tuboService } from '../../../../services/fuxi/contract.ts';
import { removeLeftovers } from '../../../../services/fuxi/tubo/leftovers.ts';
import { removeOld } from '../../../../services/fuxi/tubo/retention.ts';
import { startTubo, type Tubo } from '../../../../services/fuxi/tubo/server.ts';
import { failureOf, type NodeUnderTest, okay, startNodeUnderTest, tuboConfig } from '../runner/node-under-test.ts';

let node: NodeUnderTest;
beforeAll(async () => {
  node = await startNodeUnderTest();
});
afterAll(() => node?.stop());

const sh = (script: string) => ({ command: ['sh', '-c', script] });
const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

async function until(holds: () => boolean | Promise<boolean>, withinMs = 15_000): Promise<void> {
  for (const end = performance.now() + withinMs; !(await holds()); ) {
    if (performance.now() > end) throw new Error('it did not come to hold');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The pid that a script wrote, once it did. */
async function pidIn(file: string): Promise<number> {
  await until(async () => (await readFile(file, 'utf8').catch(() => '')).endsWith('\n'));
  return Number(await readFile(file, 'utf8'));
}

const gone = async (pid: number): Promise<boolean> => (await processStartTime(pid)) === undefined;

describe('a batch', () => {
  test('runs its attempts one after the other in one process, with a result for each', async () => {
    const job = await node.job();
    const beats: number[] = [];
    const { results } = await job.run({
      task: 't',
      program: sh('test $FEITIAN_INSTANCE != 1 || exit 4; sleep 0.5'),
      instances: [0, 1, { instance: 2, attempt: 7 }],
      heartbeat: ({ done, of }) => {
        expect(of).toBe(3);
        beats.push(done);
      },
    });
    expect(results).toMatchObject([
      { instance: 0, attempt: 1, ok: true },
      { instance: 1, attempt: 1, ok: false, code: 'ProgramFailed', message: 'exit code 4' },
      { instance: 2, attempt: 7, ok: true },
    ]);
    expect(beats).toEqual([...beats].sort());
    expect(beats.length).toBeGreaterThan(0);
  });

  test('over its budget tells what it has, gives back what it has not begun, and ends the attempt that runs', async () => {
    const job = await node.job();
    const { results } = await job.run({ task: 'budget', program: sh('sleep 0.4'), instances: [0, 1, 2, 3, 4, 5], budgetMs: 1_000 });
    const told = node.told.filter(({ workflowId }) => workflowId === 'job/budget');
    expect(told.length).toBe(1);
    const { payload, name } = told[0]!;
    expect(name).toBe('partial');
    const early = payload.results.map(({ instance }) => instance);
    const late = results.map(({ instance }) => instance);
    expect(late.length).toBe(1);
    expect(payload.released.length).toBeGreaterThan(0);
    expect([...early, ...late, ...payload.released]).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('over its budget while the engine is away returns what it could not tell', async () => {
    const job = await node.job();
    node.engineAway = true;
    const running = job.run({ task: 'away', program: sh('sleep 0.4'), instances: [0, 1, 2, 3, 4, 5], budgetMs: 1_000 });
    const { results } = await running.finally(() => {
      node.engineAway = false;
    });
    // Instances given back were not begun, and are in nobody's results.
    expect(results.length).toBeGreaterThan(0);
    expect(results.length).toBeLessThan(6);
    expect(results.map(({ instance }) => instance)).toEqual(results.map((_, i) => i));
    expect(node.told.filter(({ workflowId }) => workflowId === 'job/away')).toEqual([]);
  });

  test('over its budget with nothing to tell and nothing to give back says nothing', async () => {
    const job = await node.job();
    okay(await job.run({ task: 'alone', program: sh('sleep 0.3'), budgetMs: 50 }));
    expect(node.told.filter(({ workflowId }) => workflowId === 'job/alone')).toEqual([]);
  });

  test('that tells progress says how far the running attempt is', async () => {
    await node.pangu.writeFile('/slowly', 'line\n'.repeat(1000));
    const job = await node.job();
    const splits = await job.splits({ files: ['/slowly'], instances: [[[0, 0, 5000]]] });
    let seen = 0;
    const input = { kind: 'files', splits, format: { kind: 'lines' } } as const;
    const heartbeat = ({ running }: { running?: { recordsIn: number } }): void => {
      seen = Math.max(seen, running?.recordsIn ?? 0);
    };
    okay(await job.run({ task: 't', program: sh('cat > /dev/null; sleep 2.2'), input, heartbeat }));
    expect(seen).toBe(1000);
  });

  test('for a container of another node is refused', async () => {
    const request = { container: { id: 'c', node: 'n2' } } as Parameters<typeof node.tubo.runBatch>[0];
    const run = node.tubo.runBatch(request, { signal: new AbortController().signal, heartbeat: () => {} });
    await expect(run).rejects.toMatchObject({ code: 'UnknownContainer' });
  });

  test('of another task run gets a new process', async () => {
    const job = await node.job();
    const pids: string[] = [];
    for (const taskRunId of ['one', 'one', 'two']) {
      const output = { kind: 'files', directory: await job.directory(taskRunId) } as const;
      const instance = pids.length;
      okay(await job.run({ task: 't', taskRunId, container: 'shared', program: sh('echo $PPID'), output, instances: [instance] }));
      pids.push(String(await node.pangu.readFile(`${output.directory}/0000${instance}.1`)));
    }
    expect(pids[1]).toBe(pids[0]);
    expect(pids[2]).not.toBe(pids[0]);
  });

  test('two containers work side by side', async () => {
    const job = await node.job();
    const directory = await mkdtemp(join(tmpdir(), 'feitian-test-meet-'));
    // Each waits for the other.
    const meet = sh(`touch ${directory}/$FEITIAN_INSTANCE; while ! test -e ${directory}/0 -a -e ${directory}/1; do sleep 0.05; done`);
    const runs = [0, 1].map((i) => job.run({ task: 't', container: `meet-${i}`, program: meet, instances: [i] }));
    for (const run of runs) okay(await run);
    await rm(directory, { recursive: true });
  });
});

describe('an attempt that is given up', () => {
  test('is killed at once with all its processes; scratch and private output go', async () => {
    const job = await node.job();
    const output = { kind: 'files', directory: await job.directory('t') } as const;
    const pidFile = join(node.dataDir, `pid-${job.runId}`);
    const abort = new AbortController();
    const program = sh(`(trap '' TERM; sleep 600) & echo $! > ${pidFile}; echo half; wait`);
    const running = job.run({ task: 't', container: 'given-up', program, output, instances: [0, 1], signal: abort.signal });
    const pid = await pidIn(pidFile);
    expect((await attempts()).filter((row) => row.runId === job.runId)).toMatchObject([{ state: 'running', pid: expect.any(Number) }]);
    abort.abort(new FuxiError('Killed', 'another attempt was first'));
    const failure = failureOf(await running);
    expect(failure).toMatchObject({ instance: 0, code: 'Killed', message: 'another attempt was first' });
    await until(() => gone(pid), 2_000);
    expect(await exists(join(node.dataDir, 'containers', 'given-up'))).toBe(false);
    await expect(node.pangu.stat(`${output.directory}/00000.1`)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await attempts(job.runId)).toMatchObject([{ state: 'killed' }]);
  });

  test('also when its program never lets go of the processor', async () => {
    const job = await node.job();
    await node.pangu.writeFile('/busy.ts', 'export const source = { run() { for (;;); } };');
    const abort = new AbortController();
    const running = job.run({ task: 't', program: { module: 'pangu://test/busy.ts#source' }, signal: abort.signal });
    await until(async () => (await attempts()).some((row) => row.runId === job.runId && row.pid !== undefined));
    abort.abort();
    expect(failureOf(await running).code).toBe('Killed');
  });

  test('before it began is not run', async () => {
    const job = await node.job();
    expect(await job.run({ task: 't', program: sh('true'), signal: AbortSignal.abort() })).toEqual({ results: [] });
  });

  test('makes way when its container gets a newer batch', async () => {
    const job = await node.job();
    const old = job.run({ task: 't', container: 'again', program: sh('sleep 600') });
    await until(async () => (await attempts()).some((row) => row.runId === job.runId));
    okay(await job.run({ task: 't', container: 'again', program: sh('true'), instances: [1] }));
    expect(failureOf(await old)).toMatchObject({ code: 'Killed', message: 'its container was given to a newer batch' });
  });
});

async function attempts(runId?: string) {
  const tubo = node.cluster.cluster.kuafu.service(tuboService, 'nuwa://test/tubo/n1');
  return (await tubo.attempts(runId === undefined ? {} : { runId })).attempts;
}

const forever = { signal: new AbortController().signal, heartbeat: () => {} };

/** A second Tubo, on node n3. */
async function startOther(dataDir: string): Promise<Tubo> {
  const config = { ...tuboConfig(node.cluster, dataDir), node: { id: 'n3', rack: 'r2' } };
  return startTubo(config, { workflows: { signal: async () => 'sent', listRunning: async () => [] }, log: silentLogger });
}

/** What n3 has registered, or the code of the error. */
async function registered(): Promise<unknown> {
  return node.cluster.cluster.nuwa.get('/services/tubo/n3').then(
    ({ value }) => JSON.parse(Buffer.from(value).toString()),
    ({ code }) => code,
  );
}

describe('Tubo', () => {
  test('registers what its node offers', async () => {
    const { value } = await node.cluster.cluster.nuwa.get('/services/tubo/n1');
    expect(JSON.parse(Buffer.from(value).toString())).toMatchObject({
      address: node.tubo.address,
      node: 'n1',
      rack: 'r1',
      pid: process.pid,
      attributes: { cpu: 4, memoryMiB: 2048 },
    });
  });

  test('that is killed takes its containers with it, also one that never lets go of the processor', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'feitian-test-killed-'));
    await node.pangu.writeFile('/forever.ts', 'export const source = { run() { for (;;); } };');
    const programs = [sh(`echo $$ > ${dataDir}/pid-0; sleep 600`), { module: 'pangu://test/forever.ts#source' }];
    const script = new URL('./run-tubo.ts', import.meta.url).pathname;
    const config = { ...tuboConfig(node.cluster, dataDir), node: { id: 'n2', rack: 'r1' } };
    const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(config), JSON.stringify(programs)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pids = await new Promise<number[]>((resolve) => {
      createInterface({ input: child.stdout! }).on('line', (line) => resolve(JSON.parse(line)));
    });
    pids.push(await pidIn(join(dataDir, 'pid-0')));
    expect(await Promise.all(pids.map(gone))).toEqual([false, false, false]);
    child.kill('SIGKILL');
    await once(child, 'exit');
    for (const pid of pids) await until(() => gone(pid), 3_000);
    await rm(dataDir, { recursive: true });
  });

  test('that starts kills what is left of an earlier life, and nothing else', async () => {
    const containers = await mkdtemp(join(tmpdir(), 'feitian-test-leftovers-'));
    const leftover = spawn('sh', ['-c', 'sleep 600 & wait'], { detached: true, stdio: 'ignore' });
    const stranger = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
    const endings = [leftover, stranger].map((child) => once(child, 'exit'));
    const write = async (id: string, text: string): Promise<void> => {
      await mkdir(join(containers, id, 'work'), { recursive: true });
      await writeFile(join(containers, id, 'pid'), text);
    };
    await write('ours', JSON.stringify({ pid: leftover.pid, startTime: await processStartTime(leftover.pid!) }));
    // The number was given to another process meanwhile.
    await write('recycled', JSON.stringify({ pid: stranger.pid, startTime: 'long ago' }));
    await write('torn', '{"pid":');
    expect(await removeLeftovers(containers)).toBe(1);
    await endings[0];
    expect(await gone(stranger.pid!)).toBe(false);
    expect(await exists(containers)).toBe(false);
    sendSignal(-stranger.pid!, 'SIGKILL');
    await endings[1];
  });

  test('removes logs and packages that nobody has touched for long', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'feitian-test-retention-'));
    await mkdir(join(directory, 'run-1', 'map'), { recursive: true });
    await writeFile(join(directory, 'run-1', 'map', '0.1.log'), 'words');
    await writeFile(join(directory, 'package.tgz'), 'bytes');
    await removeOld(directory, Date.now() - 60_000);
    expect((await readdir(directory)).sort()).toEqual(['package.tgz', 'run-1']);
    await removeOld(directory, Date.now() + 60_000);
    expect(await readdir(directory)).toEqual([]);
    await rm(directory, { recursive: true });
  });

  test('that leaves takes nothing new, lets what runs end, and is out of Nuwa then', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'feitian-test-leave-'));
    const tubo = await startOther(dataDir);
    const job = await node.job();
    const request = job.request({ task: 'slow', program: sh(`echo $$ > ${dataDir}/pid; sleep 1.5`), container: 'c', node: 'n3' });
    const running = tubo.runBatch(request, forever);
    await pidIn(join(dataDir, 'pid'));
    const waited: number[] = [];
    const left = tubo.leave({ graceMs: 20_000, onWaiting: (batches) => waited.push(batches), signal: forever.signal });
    await until(() => waited.length > 0);
    expect(await registered()).toMatchObject({ attributes: { leaving: true } });
    await expect(
      tubo.runBatch(job.request({ task: 'new', program: sh('true'), container: 'd', node: 'n3' }), forever),
    ).rejects.toMatchObject({
      code: 'NodeLost',
      message: expect.stringContaining('n3 is leaving the cluster'),
    });
    expect(okay(await running)).toHaveLength(1);
    await left;
    expect(waited.every((batches) => batches === 1)).toBe(true);
    expect(await registered()).toBe('NoNode');
    await tubo.stop();
    await rm(dataDir, { recursive: true });
  });

  test('that leaves ends what has not ended in time, which counts as the loss of the node', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'feitian-test-leave-'));
    const tubo = await startOther(dataDir);
    const job = await node.job();
    const request = job.request({ task: 'endless', program: sh(`echo $$ > ${dataDir}/pid; sleep 600`), container: 'c', node: 'n3' });
    const running = tubo.runBatch(request, forever);
    const pid = await pidIn(join(dataDir, 'pid'));
    await tubo.leave({ graceMs: 300, onWaiting: () => {}, signal: forever.signal });
    expect(failureOf(await running)).toMatchObject({ code: 'NodeLost', message: 'its node left the cluster' });
    await until(() => gone(pid), 2_000);
    expect(await readdir(join(dataDir, 'containers'))).toEqual([]);
    await tubo.stop();
    await rm(dataDir, { recursive: true });
  });

  test('that was told to leave and is started again does not come back, and can be told once more', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'feitian-test-leave-'));
    await writeFile(join(dataDir, 'leaving'), ''); // as one that was killed on the way left it
    await node.cluster.cluster.nuwa.delete('/nodes/n3').catch(() => {});
    const tubo = await startOther(dataDir);
    expect(await registered()).toBe('NoNode');
    await expect(node.cluster.cluster.nuwa.get('/nodes/n3')).rejects.toMatchObject({ code: 'NoNode' });
    await tubo.leave({ graceMs: 60_000, onWaiting: () => expect.unreachable('nothing runs'), signal: forever.signal });
    const job = await node.job();
    await expect(tubo.runBatch(job.request({ task: 't', program: sh('true'), node: 'n3' }), forever)).rejects.toMatchObject({
      code: 'NodeLost',
    });
    await tubo.stop();
    await rm(dataDir, { recursive: true });
  });

  test('that stops kills what runs, says so, and leaves Nuwa', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'feitian-test-stop-'));
    const { startTubo } = await import('../../../../services/fuxi/tubo/server.ts');
    const { silentLogger } = await import('../../../../services/base/log.ts');
    const config = { ...tuboConfig(node.cluster, dataDir), node: { id: 'n3', rack: 'r2' } };
    const tubo = await startTubo(config, { workflows: { signal: async () => 'sent', listRunning: async () => [] }, log: silentLogger });
    const job = await node.job();
    const pidFile = join(dataDir, 'pid');
    const request = job.request({ task: 't', program: sh(`echo $$ > ${pidFile}; sleep 600`), container: 'c', node: 'n3' });
    const running = tubo.runBatch(request, { signal: new AbortController().signal, heartbeat: () => {} });
    const pid = await pidIn(pidFile);
    await tubo.stop();
    expect(failureOf(await running)).toMatchObject({ code: 'NodeLost', message: 'its Tubo was stopped' });
    await until(() => gone(pid), 2_000);
    await expect(node.cluster.cluster.nuwa.get('/services/tubo/n3')).rejects.toMatchObject({ code: 'NoNode' });
    expect(await readdir(join(dataDir, 'containers'))).toEqual([]);
    await rm(dataDir, { recursive: true });
  });
});
