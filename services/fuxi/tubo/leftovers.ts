/** What a Tubo that died left behind: process groups whose guard did not get to them, and directories of containers. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { killProcessGroup, type ProcessIdentity } from '../../base/process.ts';

/** @returns how many process groups were still there. */
export async function removeLeftovers(containersDirectory: string): Promise<number> {
  const names = await readdir(containersDirectory).catch(() => []);
  const killed = await Promise.all(names.map((name) => killLeftover(join(containersDirectory, name, 'pid'))));
  await rm(containersDirectory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  return killed.filter(Boolean).length;
}

async function killLeftover(pidFile: string): Promise<boolean> {
  let identity: ProcessIdentity;
  try {
    identity = JSON.parse(await readFile(pidFile, 'utf8'));
  } catch {
    return false; // never started, or half written: its guard saw the pipe close
  }
  return killProcessGroup(identity.pid, identity.startTime);
}
