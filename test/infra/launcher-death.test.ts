import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ClusterHandle, startCluster } from '../../infra/cluster/launch.ts';
import { layoutOf } from '../../infra/cluster/layout.ts';
import { lockHolder } from '../../infra/cluster/lock.ts';
import type { LauncherRecord } from '../../infra/cluster/record.ts';
import { isSameProcess, processStartTime } from '../../services/base/process.ts';
import { clearPlaces, leftOf, newPlace, recordOf, START_MS_MAX } from './cluster-places.ts';
import { feitian, startFeitian } from './feitian.ts';

/** One node each: what is looked at here is the launcher. */
const SMALL = ['--nodes', '1', '--together'];

afterAll(clearPlaces, START_MS_MAX);

async function killLauncher(dir: string): Promise<void> {
  const launcher = (await lockHolder(layoutOf(dir).lockFile))!;
  process.kill(launcher.pid, 'SIGKILL');
  while (await isSameProcess(launcher.pid, launcher.startTime)) await new Promise(setImmediate);
}

describe('two clusters side by side', () => {
  let dirs: string[];
  let clusters: ClusterHandle[];

  beforeAll(async () => {
    dirs = [await newPlace(), await newPlace()];
    clusters = await Promise.all(
      dirs.map((dir, index) => startCluster({ dir, nodes: 1, nuwaServers: 1, together: true, name: `twin-${index}` })),
    );
  }, START_MS_MAX);

  test('share no port and no process', async () => {
    const [one, two] = await Promise.all(dirs.map(recordOf));
    const both = (pick: (record: LauncherRecord) => number[]) => [...pick(one!), ...pick(two!)];
    for (const all of [both(({ ports }) => ports), both(({ processes }) => processes.map(({ pid }) => pid))]) {
      expect(new Set(all).size).toBe(all.length);
    }
    expect(clusters.map(({ info }) => info.name)).toEqual(['twin-0', 'twin-1']);
  });

  test('a killed launcher leaves its cluster working, and `down` takes all of it away and nothing of the other', async () => {
    const [dir, other] = dirs as [string, string];
    const record = await recordOf(dir);
    await killLauncher(dir);
    for (const { pid, startTime } of record.processes) expect(await isSameProcess(pid, startTime)).toBe(true);
    expect(await feitian(['status', '--dir', dir])).toMatchObject({ code: 1, stderr: expect.stringContaining('NotRunning') });

    // What Tubo's containers are: process groups of their own, known by a pid file.
    const container = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
    const containerDir = join(layoutOf(dir).dataOf('tubo', 'node-1'), 'containers', 'c-1');
    await mkdir(containerDir, { recursive: true });
    await writeFile(join(containerDir, 'pid'), JSON.stringify({ pid: container.pid, startTime: await processStartTime(container.pid!) }));

    const containerEnded = once(container, 'exit');
    expect(await feitian(['down', '--dir', dir])).toMatchObject({ code: 0, stderr: '' });
    expect(await containerEnded).toEqual([null, 'SIGKILL']);
    expect(await leftOf(dir, record)).toEqual([]);
    expect((await feitian(['status', '--dir', other])).code).toBe(0);
  }, 60_000);

  test(
    '`up` after a killed launcher clears what is left and starts with the data that is there',
    async () => {
      const dir = dirs[1]!;
      const record = await recordOf(dir);
      const key = await readFile(layoutOf(dir).adminKey, 'utf8');
      await killLauncher(dir);
      const { code, stdout } = await feitian(['up', '--dir', dir, ...SMALL]);
      expect(stdout).toMatch(/leftovers cleared/);
      expect(code).toBe(0);
      for (const { pid, startTime } of record.processes) expect(await isSameProcess(pid, startTime)).toBe(false);
      expect(await readFile(layoutOf(dir).adminKey, 'utf8')).toBe(key);
      const again = await recordOf(dir);
      await feitian(['down', '--dir', dir]);
      expect(await leftOf(dir, again)).toEqual([]);
    },
    START_MS_MAX,
  );
});

describe('a start that comes to nothing', () => {
  test.each(['SIGINT', 'SIGKILL'] as const)(
    'is taken back when `up` gets %s in the middle of it',
    async (signal) => {
      const dir = await newPlace();
      const up = startFeitian(['up', '--dir', dir, ...SMALL]);
      await up.said(/temporal .*127\.0\.0\.1/);
      const record = await recordOf(dir);
      const launcher = (await lockHolder(layoutOf(dir).lockFile))!;
      up.child.kill(signal);
      const { code, stderr } = await up.ended;
      if (signal === 'SIGINT') expect({ code, stderr }).toEqual({ code: 130, stderr: expect.stringContaining('nothing is left running') });
      // Whoever was killed can't wait for it: the launcher does it alone, or `down` waits for it.
      else await feitian(['down', '--dir', dir]);
      expect(await isSameProcess(launcher.pid, launcher.startTime)).toBe(false);
      expect(await leftOf(dir, record)).toEqual([]);
    },
    START_MS_MAX,
  );

  test(
    'says which step, why and where the log is, when a database does not answer',
    async () => {
      const dir = await newPlace();
      const url = 'postgres://somebody:secret@127.0.0.1:1/none';
      const { code, stderr } = await feitian(['up', '--dir', dir, ...SMALL], { FEITIAN_DATABASE_URL: url });
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /step "postgres": the database of FEITIAN_DATABASE_URL \(127\.0\.0\.1:1\/none\) does not answer: .*ECONNREFUSED/,
      );
      expect(stderr).not.toContain('secret');
      expect(await leftOf(dir, { launchId: '', processes: [], ports: [] })).toEqual([]);
    },
    START_MS_MAX,
  );

  test(
    'shows the end of the log of the process that failed',
    async () => {
      const dir = await newPlace();
      const fake = await newPlace();
      await writeFile(join(fake, 'temporal'), FAKE_TEMPORAL, { mode: 0o755 });
      const { code, stderr } = await feitian(['up', '--dir', dir, ...SMALL], { PATH: `${fake}:${process.env.PATH}` });
      expect(code).toBe(1);
      expect(stderr).toMatch(/step "temporal": temporal ended with exit code 3/);
      expect(stderr).toContain(layoutOf(dir).logOf('temporal'));
      expect(stderr).toContain('the disk is on strike');
      expect(await leftOf(dir, { launchId: '', processes: [], ports: [] })).toEqual([]);
    },
    START_MS_MAX,
  );
});

test(
  'an attached cluster goes down when the process that started it is killed',
  async () => {
    const dir = await newPlace();
    const program = `
    import { startCluster } from ${JSON.stringify(new URL('../../infra/cluster/launch.ts', import.meta.url).href)};
    await startCluster({ dir: ${JSON.stringify(dir)}, nodes: 1, nuwaServers: 1, attached: true });
    process.stdout.write('up');
    setInterval(() => {}, 1000);`;
    const starter = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(starter.stdout, 'data');
    const record = await recordOf(dir);
    const launcher = (await lockHolder(layoutOf(dir).lockFile))!;
    starter.kill('SIGKILL');
    while (await isSameProcess(launcher.pid, launcher.startTime)) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await leftOf(dir, record)).toEqual([]);
  },
  START_MS_MAX,
);

const FAKE_TEMPORAL = `#!/bin/sh
case "$*" in
  --version) echo "temporal version 9.9.9 (Server 9.9.9, UI 9.9.9)";;
  *--help) echo "  --ui-disable-news-fetch";;
  *) echo "the disk is on strike" >&2; exit 3;;
esac
`;
