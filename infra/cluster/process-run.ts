import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { messageOf } from '../../services/base/errors.ts';
import { killProcessGroup, processStartTime, sendSignal } from '../../services/base/process.ts';
import type { UserIds } from '../setup/postgres-user.ts';

/** What the launcher has to know to run one process of the cluster. */
export interface ProcessSpec {
  role: string;
  node?: string;
  /** Which one, where a role has several processes that belong to no node. */
  instance?: string;
  command: string;
  args: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  runAs?: UserIds;
  /** Its output goes straight to this file, so that it does not depend on the launcher's life. */
  log: string;
  /** How it is known to be ready: it says so by message, or it answers a question. */
  ready: 'message' | ((signal: AbortSignal) => Promise<void>);
  /** Ends it in good order. */
  stopSignal: 'SIGTERM' | 'SIGINT';
  /** Lower ones are stopped first. */
  stopTier: number;
}

/** The name of a process within its cluster: its role, and the node or the instance it is, where a role has several. */
export function processName(role: string, of: string | undefined): string {
  return of ? `${role}/${of}` : role;
}

/** What a role's process sends to the launcher when it is ready; see cli/commands/run.ts. */
export interface ReadyMessage {
  kind: 'ready';
  address?: string;
}

/** A start that isn't through after this long won't be: on two cores, with everything starting at once, the slowest takes a few seconds. */
const READY_MS_MAX = 60_000;

/** One life of a process, from its start to its end. */
export interface ProcessRun {
  /** 0 when it could not even be started. */
  readonly pid: number;
  readonly startTime: string;
  /** Rejects when it ended before, or took too long. */
  readonly ready: Promise<{ address?: string }>;
  /** How it ended, in words; what it left in its process group is gone then too. */
  readonly ended: Promise<string>;
  /** Does nothing once it ended: its pid may be another's by then. */
  signal(signal: NodeJS.Signals): void;
}

/** Never rejects: a process that can't be started has a life that is over. */
export async function startRun(spec: ProcessSpec): Promise<ProcessRun> {
  let child: ChildProcess;
  try {
    child = spawnInto(spec);
  } catch (error) {
    return stillborn(`could not be started: ${messageOf(error)}`);
  }
  const exit = exitOf(child);
  const pid = child.pid ?? 0;
  const startTime = (await processStartTime(pid)) ?? 'gone';

  let over = false;
  const ended = exit.then(async (how) => {
    over = true;
    if (pid) await killProcessGroup(pid, startTime);
    return how;
  });
  const ready = readiness(spec, child, ended);
  ready.catch(() => {}); // whoever wants to know asks
  return { pid, startTime, ready, ended, signal: (signal) => void (pid && !over && sendSignal(pid, signal)) };
}

function spawnInto({ command, args, env, log, ready, runAs }: ProcessSpec): ChildProcess {
  const file = openSync(log, 'a', 0o600);
  try {
    const stdio = ['ignore' as const, file, file, ...(ready === 'message' ? ['ipc' as const] : [])];
    // A process group of its own: a Ctrl-C in the terminal is not for it, and all that it starts can be found.
    return spawn(command, args, { env: { ...env }, cwd: '/', detached: true, stdio, ...runAs });
  } finally {
    closeSync(file);
  }
}

function stillborn(how: string): ProcessRun {
  const ready = Promise.reject<never>(new Error(how));
  ready.catch(() => {});
  return { pid: 0, startTime: 'gone', ready, ended: Promise.resolve(how), signal: () => {} };
}

function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(`could not be started: ${error.message}`));
    child.once('exit', (code, signal) => resolve(signal ? `was ended by ${signal}` : `ended with exit code ${code}`));
  });
}

async function readiness(spec: ProcessSpec, child: ChildProcess, ended: Promise<string>): Promise<{ address?: string }> {
  const giveUp = new AbortController();
  const limit = setTimeout(() => giveUp.abort(new Error(`not ready after ${READY_MS_MAX / 1000} s`)), READY_MS_MAX);
  void ended.then((how) => giveUp.abort(new Error(how)));
  try {
    if (spec.ready === 'message') return await readyMessage(child, giveUp.signal);
    await spec.ready(giveUp.signal);
    return {};
  } catch (error) {
    throw giveUp.signal.aborted ? giveUp.signal.reason : error;
  } finally {
    clearTimeout(limit);
  }
}

function readyMessage(child: ChildProcess, signal: AbortSignal): Promise<{ address?: string }> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
    child.on('message', (message: ReadyMessage) => {
      if (message.kind === 'ready') resolve(message.address === undefined ? {} : { address: message.address });
    });
  });
}
