import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { acquireLock, lockHolder } from '../../infra/cluster/lock.ts';
import { shapeOf } from '../../infra/cluster/options.ts';
import type { ProcessSpec } from '../../infra/cluster/process-run.ts';
import { afterDeath } from '../../infra/cluster/restart-policy.ts';
import { SupervisedProcess } from '../../infra/cluster/supervised-process.ts';
import { runProgram } from '../../infra/setup/run-program.ts';
import { silentLogger } from '../../services/base/log.ts';
import { processStartTime } from '../../services/base/process.ts';
import { seededRandom } from '../../services/base/random.ts';

let dir: string;
const supervised: SupervisedProcess[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'feitian-supervision-'));
});
afterEach(async () => {
  await Promise.all(supervised.splice(0).map((process) => process.stop(1_000)));
  await rm(dir, { recursive: true });
});

function supervise(script: string, spec: Partial<ProcessSpec> = {}): SupervisedProcess {
  const whole: ProcessSpec = {
    role: 'script',
    command: process.execPath,
    args: ['-e', script],
    env: { PATH: process.env.PATH },
    log: join(dir, 'log'),
    ready: 'message',
    stopSignal: 'SIGTERM',
    stopTier: 0,
    ...spec,
  };
  const made = new SupervisedProcess(whole, silentLogger, () => {});
  supervised.push(made);
  return made;
}

const READY = "process.send({ kind: 'ready', address: 'tcp://here:1' }); setInterval(() => {}, 1000);";

describe('a supervised process', () => {
  test('is ready when it says so, and tells its address', async () => {
    const process = supervise(READY);
    await process.start();
    expect(process).toMatchObject({ state: 'ready', address: 'tcp://here:1', restarts: 0 });
  });

  test('that ends before it is ready fails its start, in words', async () => {
    await expect(supervise('process.exit(7)').start()).rejects.toThrow('ended with exit code 7');
    await expect(supervise('', { command: join(dir, 'nothing') }).start()).rejects.toThrow(/could not be started: .*ENOENT/);
  });

  test('is started again when it died', async () => {
    const process = supervise(READY);
    await process.start();
    const pid = await process.kill();
    await process.until(() => process.state === 'ready');
    expect(process.run!.pid).not.toBe(pid);
    expect(process.restarts).toBe(1);
  });

  test('stays away while it is held, and comes back when it is released', async () => {
    const process = supervise(READY);
    await process.start();
    const { pid } = process.run!;
    await process.hold();
    expect(process.state).toBe('held');
    expect(await processStartTime(pid)).toBeUndefined();
    await process.release();
    expect(process).toMatchObject({ state: 'ready', restarts: 1 });
  });

  test('that is being started while it is stopped is gone afterwards', async () => {
    const process = supervise(READY);
    const started = process.start();
    await process.stop(1_000);
    await started.catch(() => {});
    expect(process.state).toBe('stopped');
    expect(await processStartTime(process.run!.pid)).toBeUndefined();
  });

  test('that does not heed its stop signal is killed when its time is over', async () => {
    const process = supervise(`process.on('SIGTERM', () => {}); ${READY}`);
    await process.start();
    await process.stop(50);
    expect(process.state).toBe('stopped');
    expect(await process.run!.ended).toBe('was ended by SIGKILL');
  });

  test('leaves nobody of its process group behind', async () => {
    const process = supervise(`require('node:child_process').spawn('sleep', ['60'], { stdio: 'ignore' }); ${READY}`);
    await process.start();
    const { pid } = process.run!;
    await process.stop(1_000);
    await expect.poll(() => membersOf(pid)).toEqual([]);
  });
});

/** Living processes of the group that `leader` led. */
async function membersOf(leader: number): Promise<number[]> {
  const { stdout } = await runProgram('ps', ['-axo', 'pid=,pgid=,stat='], { timeoutMs: 5_000 });
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  return rows.filter(([, group, state]) => Number(group) === leader && !state!.startsWith('Z')).map(([pid]) => Number(pid));
}

describe('the delay before a restart', () => {
  const random = seededRandom(1);

  test('is short at first and grows to five seconds', () => {
    const delays: number[] = [];
    for (let failures = 0; failures < 10; ) {
      const next = afterDeath(failures, 0, random);
      failures = next.failures;
      delays.push(next.delayMs);
    }
    expect(delays[0]).toBeLessThanOrEqual(200);
    expect(delays.at(-1)).toBeGreaterThanOrEqual(2_500);
    expect(Math.max(...delays)).toBeLessThanOrEqual(5_000);
  });

  test('begins anew for a process that was up for a while', () => {
    expect(afterDeath(9, 60_000, random).failures).toBe(1);
    expect(afterDeath(9, 1_000, random).failures).toBe(10);
  });
});

describe('the lock of a directory', () => {
  test('has one holder', async () => {
    const path = join(dir, 'lock');
    const all = await Promise.all(Array.from({ length: 8 }, () => acquireLock(path)));
    expect(all.filter(({ acquired }) => acquired)).toHaveLength(1);
    expect((await lockHolder(path))?.pid).toBe(process.pid);
  });

  test('of a holder that died goes to one of those who want it', async () => {
    const path = join(dir, 'lock');
    await writeFile(path, JSON.stringify({ pid: process.pid, startTime: 'long ago' }));
    expect(await lockHolder(path)).toBeUndefined();
    const all = await Promise.all(Array.from({ length: 8 }, () => acquireLock(path)));
    expect(all.filter(({ acquired }) => acquired)).toHaveLength(1);
    expect(await readdir(dir)).toEqual(['lock']);
  });
});

describe('the shape of a cluster', () => {
  test('is four nodes in two racks unless told otherwise', () => {
    expect(shapeOf({}).nodes.map(({ id, rack }) => `${id} ${rack}`)).toEqual([
      'node-1 rack-a',
      'node-2 rack-a',
      'node-3 rack-b',
      'node-4 rack-b',
    ]);
    expect(shapeOf({}).cpuPerNode).toBeGreaterThanOrEqual(1);
  });

  test('spreads nodes over racks as evenly as may be', () => {
    expect(shapeOf({ nodes: 5, racks: 3 }).nodes.map(({ rack }) => rack)).toEqual(['rack-a', 'rack-a', 'rack-b', 'rack-b', 'rack-c']);
    expect(shapeOf({ nodes: 1 }).nodes).toEqual([{ id: 'node-1', rack: 'rack-a' }]);
  });

  test('with more racks than nodes is refused', () => {
    expect(() => shapeOf({ nodes: 2, racks: 3 })).toThrow('BadConfig');
    expect(() => shapeOf({ nodes: 0 })).toThrow(/BadConfig: nodes/);
  });
});
