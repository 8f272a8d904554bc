/**
 * Processes of the machine, told apart for sure.
 *
 * A pid alone does not name a process: once its process is gone the system may give the number to another. A pid *with the time
 * its process started* does. So whoever writes a pid down to kill it later writes the start time beside it and asks again before it kills.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A process as it is written down. */
export interface ProcessIdentity {
  pid: number;
  startTime: string;
}

let bootId: Promise<string> | undefined;

/** Start times in /proc count from the boot of the machine, so the boot's own id belongs to them. */
function readBootId(): Promise<string> {
  bootId ??= readFile('/proc/sys/kernel/random/boot_id', 'utf8').then(
    (text) => text.slice(0, 8),
    () => 'boot',
  );
  return bootId;
}

/**
 * When process `pid` started, as an opaque text to compare; undefined when there is no such process. A zombie, which only waits for
 * its parent to take note, is no process any more.
 */
export async function processStartTime(pid: number): Promise<string | undefined> {
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return process.platform === 'linux' ? await startTimeFromProc(pid) : await startTimeFromPs(pid);
}

async function startTimeFromProc(pid: number): Promise<string | undefined> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The second field is the program's name in brackets and may hold spaces and brackets itself; what follows are fields 3 (state) and on.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  const startTicks = fields[19]; // field 22
  return startTicks === undefined ? undefined : `${await readBootId()}-${startTicks}`;
}

async function startTimeFromPs(pid: number): Promise<string | undefined> {
  try {
    const { stdout } = await run('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' } });
    const [state, ...started] = stdout.trim().split(/\s+/);
    return !state || state.startsWith('Z') ? undefined : started.join(' ');
  } catch {
    return undefined; // ps exits 1 when there is no such process
  }
}

export async function isSameProcess(pid: number, startTime: string): Promise<boolean> {
  return (await processStartTime(pid)) === startTime;
}

/**
 * Sends `signal` to the process group that `pid` leads, when that is still the process that started at `startTime`.
 * A leader that is gone may have left members behind: the system does not give its number to anyone else while they live, so they are ours too.
 *
 * @returns whether there was anything to signal.
 */
export async function killProcessGroup(pid: number, startTime: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<boolean> {
  const found = await processStartTime(pid);
  if (found !== undefined && found !== startTime) return false;
  return sendSignal(-pid, signal);
}

/** As `process.kill`, but false instead of an error when there is nobody to signal. */
export function sendSignal(target: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(target, signal);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // macOS answers EPERM for a group of which only zombies are left.
    if (code === 'ESRCH' || (code === 'EPERM' && target < 0)) return false;
    throw error;
  }
}
