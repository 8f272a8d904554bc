import { mkdtemp, readdir, readFile, readlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deleteClusterData, stopCluster } from '../../infra/cluster/launch.ts';
import { layoutOf } from '../../infra/cluster/layout.ts';
import { isFree } from '../../infra/cluster/ports.ts';
import { type LauncherRecord, readRecord } from '../../infra/cluster/record.ts';
import { isSameProcess } from '../../services/base/process.ts';

/** A cluster starts in seconds on a machine of its own; beside other tests it may take much longer. */
export const START_MS_MAX = 180_000;

const made: string[] = [];

export async function newPlace(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'feitian-infra-'));
  made.push(dir);
  return dir;
}

/** For `afterAll`: whatever a test left running is stopped, and all directories are removed. */
export async function clearPlaces(): Promise<void> {
  for (const dir of made.splice(0)) {
    await stopCluster(dir);
    await deleteClusterData(dir);
  }
}

/** What the launcher of `dir` has written down: to be asked for while the cluster is up, and checked when it is down. */
export async function recordOf(dir: string): Promise<LauncherRecord> {
  const record = await readRecord(layoutOf(dir).recordFile);
  if (!record) throw new Error(`nothing is written down in ${dir}`);
  return record;
}

/** All that is left of a cluster: processes it started, processes that work in its directory, ports it used, files that say it is up. */
export async function leftOf(dir: string, record: LauncherRecord): Promise<string[]> {
  const left: string[] = [];
  for (const { name, pid, startTime } of record.processes) if (await isSameProcess(pid, startTime)) left.push(`${name} (${pid})`);
  for (const port of record.ports) if (!(await isFree(port))) left.push(`port ${port}`);
  for (const name of await readdir(dir)) if (/^(cluster|launcher)\.|\.sock$/.test(name)) left.push(name);
  return [...left, ...(await processesNaming(dir))];
}

/** Found without any of the launcher's notes: command line, environment or working directory name the cluster's directory. */
async function processesNaming(dir: string): Promise<string[]> {
  if (process.platform !== 'linux') return [];
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const [command, environment, cwd] = await Promise.all([
      readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
      readFile(`/proc/${pid}/environ`, 'utf8').catch(() => ''),
      readlink(`/proc/${pid}/cwd`).catch(() => ''),
    ]);
    if (`${command} ${environment} ${cwd}`.includes(dir)) found.push(`${pid}: ${command.replaceAll('\0', ' ')}`);
  }
  return found;
}
