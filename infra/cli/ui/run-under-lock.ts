import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { HeldLock } from '../../../services/nuwa/contract.ts';
import { guardGroup } from './guardian.ts';

export interface RanUnderLock {
  /** Of the command; of one that was ended by a signal, as a shell says it: 128 and the signal's number. */
  exitCode: number;
  how: string;
  /** The lock was lost before the command ended. */
  lost: boolean;
}

export interface UnderLock {
  command: readonly string[];
  held: HeldLock;
  /** Somebody wants the command ended. */
  interrupted: AbortSignal;
  /** Between SIGTERM and SIGKILL. */
  graceMs: number;
}

/**
 * Runs a command as long as the lock is held. It is a process group of its own, so that all it starts is ended with it; when the lock is lost nothing of it may go on,
 * and neither when this process dies, with which the lock goes a TTL later.
 * Errors: the command cannot be started.
 */
export async function runUnderLock({ command, held, interrupted, graceMs }: UnderLock): Promise<RanUnderLock> {
  const [program, ...args] = command;
  const child = spawn(program!, args, {
    stdio: 'inherit',
    detached: true,
    env: { ...process.env, FEITIAN_FENCING_TOKEN: `${held.token}` },
  });
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(new Error(error.code === 'ENOENT' ? `there is no program ${program}` : `${program} could not be started: ${error.message}`)),
    );
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const toGroup = (signal: NodeJS.Signals): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // All of it is gone.
    }
  };

  const unguard = child.pid === undefined ? (): void => {} : guardGroup(child.pid, graceMs);
  let lost = held.lost.aborted;
  const over = new AbortController();
  const end = async (): Promise<void> => {
    toGroup('SIGTERM');
    await delay(graceMs, undefined, { signal: over.signal }).catch(() => {});
    // Also when the command itself is gone: what it started may not be.
    toGroup('SIGKILL');
  };
  let ending: Promise<void> | undefined;
  const onLost = (): void => {
    lost = true;
    ending ??= end();
  };
  const onInterrupted = (): void => void (ending ??= end());
  held.lost.addEventListener('abort', onLost);
  interrupted.addEventListener('abort', onInterrupted);
  if (held.lost.aborted) onLost();
  else if (interrupted.aborted) onInterrupted();
  try {
    const { code, signal } = await ended;
    over.abort();
    await ending;
    const exitCode = code ?? 128 + (signal ? constants.signals[signal] : 0);
    return { exitCode, how: signal ? `ended by ${signal}` : `exit code ${code}`, lost };
  } finally {
    unguard();
    over.abort();
    held.lost.removeEventListener('abort', onLost);
    interrupted.removeEventListener('abort', onInterrupted);
  }
}
