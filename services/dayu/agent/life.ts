/**
 * One life of an instance: a process group, from its start to its end. It depends on nobody: its output goes straight to a file, and the agent may die
 * and come back and find it again.
 *
 * The process writes its own pid down before it becomes the program. So whoever knows the instance's id finds it, even when the agent died between the
 * start of the process and the note about it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isSameProcess, killProcessGroup, type ProcessIdentity, processStartTime } from '../../base/process.ts';
import { DayuError } from '../contract.ts';
import { environmentMark } from './environment.ts';
import type { InstanceRecord } from './state-file.ts';

export interface Life extends ProcessIdentity {
  /** Tells how, in words; what was left of its process group is gone then too. */
  readonly ended: Promise<string>;
  /** To the whole process group. */
  signal(signal: NodeJS.Signals): Promise<void>;
}

export interface LifeSpec {
  command: readonly string[];
  cwd: string;
  env: Record<string, string>;
  log: string;
  pidFile: string;
}

const WRITE_PID_THEN_BECOME = 'echo "$$" >"$1" && shift && exec "$@"';
/** Nothing tells of the end of a process that is not a child, so it is looked at. */
const LOOK_EVERY_MS = 200;

/** Errors: StartFailed. */
export async function startLife({ command, cwd, env, log, pidFile }: LifeSpec): Promise<Life> {
  for (const file of [log, pidFile]) await mkdir(dirname(file), { recursive: true });
  await rm(pidFile, { force: true });
  const output = openSync(log, 'a', 0o600);
  let child: ChildProcess;
  try {
    const args = ['-c', WRITE_PID_THEN_BECOME, 'sh', pidFile, ...command];
    child = spawn('/bin/sh', args, { cwd, env, detached: true, stdio: ['ignore', output, output] });
  } finally {
    closeSync(output);
  }
  child.unref();
  const exit = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`could not be started: ${error.message}`));
    child.once('exit', (code, signal) => resolve(signal ? `was ended by ${signal}` : `ended with exit code ${code}`));
  });
  const { pid } = child;
  if (pid === undefined) throw new DayuError('StartFailed', await exit);
  return lifeOf({ pid, startTime: (await processStartTime(pid)) ?? 'gone' }, exit);
}

/** The process of a record, if it lives still. */
export async function findLife(record: InstanceRecord, pidFile: string): Promise<Life | undefined> {
  const identity = await findProcess(record, pidFile);
  return identity && lifeOf(identity, endOf(identity));
}

export async function findProcess(
  record: Pick<InstanceRecord, 'id' | 'pid' | 'startTime'>,
  pidFile: string,
): Promise<ProcessIdentity | undefined> {
  const { pid, startTime } = record;
  if (pid !== undefined && startTime !== undefined) return (await isSameProcess(pid, startTime)) ? { pid, startTime } : undefined;
  const written = Number((await readFile(pidFile, 'utf8').catch(() => '')).trim());
  const started = await processStartTime(written);
  if (started === undefined) return undefined;
  // The number may be another's by now. Where environments cannot be read, the pid file is taken at its word: each start removes the one before.
  const environment = await readFile(`/proc/${written}/environ`, 'latin1').catch(() => undefined);
  if (process.platform === 'linux' && !environment?.includes(environmentMark(record.id))) return undefined;
  return { pid: written, startTime: started };
}

function lifeOf(identity: ProcessIdentity, exit: Promise<string>): Life {
  const { pid, startTime } = identity;
  const ended = exit.then(async (how) => {
    await killProcessGroup(pid, startTime);
    return how;
  });
  return {
    ...identity,
    ended,
    async signal(signal) {
      await killProcessGroup(pid, startTime, signal);
    },
  };
}

async function endOf({ pid, startTime }: ProcessIdentity): Promise<string> {
  while (await isSameProcess(pid, startTime)) await delay(LOOK_EVERY_MS, undefined, { ref: false });
  return 'ended by itself';
}
