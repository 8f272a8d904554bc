/**
 * What a cluster leaves behind when its launcher could not clear it away, and the check after every stop that nothing is left.
 *
 * Processes are found in three ways, as each sees what the others can't: the launcher's record (every process it started), the pid files of Tubo's
 * containers and the notes of Dayu's agents (process groups of their own), and on Linux the launch id in the environment (all descendants that kept it).
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isSameProcess, killProcessGroup, type ProcessIdentity, processStartTime, sendSignal } from '../../services/base/process.ts';
import { findInstances } from '../../services/dayu/agent/leftovers.ts';
import { ClusterError } from '../errors.ts';
import type { Layout } from './layout.ts';
import { awaitFree } from './ports.ts';
import type { LauncherRecord } from './record.ts';

/** Time to end in good order before the rest is killed. */
export const GRACE_MS = 10_000;
/** A killed process is gone within milliseconds; only a machine that hangs takes longer. */
const GONE_MS_MAX = 5_000;
const LOOK_EVERY_MS = 20;

export const LAUNCH_ID_VARIABLE = 'FEITIAN_LAUNCH_ID';

/** Ends the processes of a launcher that is gone, in the order it would have. Errors: Leftovers. */
export async function clearLeftovers(layout: Layout, record: LauncherRecord): Promise<void> {
  for (const tier of [...new Set(record.processes.map(({ stopTier }) => stopTier))].sort((a, b) => a - b)) {
    const ours = record.processes.filter(({ stopTier }) => stopTier === tier);
    await Promise.all(ours.map((process) => end(process, process.stopSignal)));
  }
  await killContainers(layout);
  await verifyNothingLeft(layout, record);
}

async function end(process: ProcessIdentity, stopSignal: NodeJS.Signals): Promise<void> {
  const { pid, startTime } = process;
  if ((await isSameProcess(pid, startTime)) && sendSignal(pid, stopSignal)) await gone([process], GRACE_MS);
  await killProcessGroup(pid, startTime);
}

/** Kills the containers and services of all nodes, or of one, with everything in their process groups. */
export async function killContainers(layout: Layout, node?: string): Promise<void> {
  await Promise.all((await containers(layout, node)).map(({ pid, startTime }) => killProcessGroup(pid, startTime)));
}

async function containers(layout: Layout, onlyNode?: string): Promise<ProcessIdentity[]> {
  const nodes = onlyNode ? [onlyNode] : await readdir(join(layout.dir, 'nodes')).catch(() => []);
  const found: ProcessIdentity[] = [];
  for (const node of nodes) {
    found.push(...(await findInstances(layout.dataOf('tubo', node))));
    const directory = join(layout.dataOf('tubo', node), 'containers');
    for (const id of await readdir(directory).catch(() => [])) {
      try {
        found.push(JSON.parse(await readFile(join(directory, id, 'pid'), 'utf8')) as ProcessIdentity);
      } catch {
        // A container that has no runner now.
      }
    }
  }
  return found;
}

/** Errors: Leftovers, naming each process and port. */
export async function verifyNothingLeft(layout: Layout, record: LauncherRecord): Promise<void> {
  const known: ProcessIdentity[] = [...record.processes, ...(await containers(layout))];
  let left = await gone(known, GONE_MS_MAX);
  // A process may have been started by one that was being killed, so look until there is none.
  for (let round = 0; round < 5; round++) {
    const strays = await descendants(record.launchId);
    if (strays.length === 0) break;
    for (const { pid, startTime } of strays) if (await isSameProcess(pid, startTime)) sendSignal(pid, 'SIGKILL');
    left = [...left, ...(await gone(strays, GONE_MS_MAX))];
  }
  const ports = await awaitFree(record.ports);
  if (left.length === 0 && ports.length === 0) return;
  const what = [...left.map(({ pid }) => `process ${pid}`), ...ports.map((port) => `port ${port}`)].join(', ');
  throw new ClusterError('Leftovers', `still there after the stop: ${what}`, { details: { pids: left.map(({ pid }) => pid), ports } });
}

/** Waits until all of them have ended; @returns those that have not. */
async function gone(processes: readonly ProcessIdentity[], maxMs: number): Promise<ProcessIdentity[]> {
  const untilMs = performance.now() + maxMs;
  let left = [...processes];
  for (;;) {
    const alive = await Promise.all(left.map(({ pid, startTime }) => isSameProcess(pid, startTime)));
    left = left.filter((_, index) => alive[index]);
    if (left.length === 0 || performance.now() > untilMs) return left;
    await delay(LOOK_EVERY_MS);
  }
}

async function descendants(launchId: string): Promise<ProcessIdentity[]> {
  if (process.platform !== 'linux') return [];
  const mark = `${LAUNCH_ID_VARIABLE}=${launchId}\0`;
  const found: ProcessIdentity[] = [];
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => ''); // another user's, or gone
    if (!environment.includes(mark)) continue;
    const startTime = await processStartTime(pid);
    if (startTime) found.push({ pid, startTime });
  }
  return found;
}
