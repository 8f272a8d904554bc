/**
 * Runs a command as a child of this process, in the same process group: records on its standard input, its standard output to `onOutput`, its
 * standard error to the attempt's log. No more is read from either side than the other takes.
 *
 * A command may end without reading all its input; what counts is how it exits.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import { FuxiError } from '../contract.ts';
import type { AttemptLog } from './attempt-log.ts';
import { withStandardError } from './failures.ts';

/** After its end, what a command left in its pipes is there at once. If they stay open without a byte, something it started holds them. */
const PIPES_OPEN_MS = 10_000;

export interface CommandOptions {
  command: string[];
  directory: string;
  env: Record<string, string>;
  /** Nothing: standard input is at its end from the beginning. */
  input: AsyncIterable<Uint8Array> | Iterable<Uint8Array> | undefined;
  onOutput: (bytes: Buffer) => Promise<void> | void;
  log: AttemptLog;
}

export async function runCommand({ command, directory, env, input, onOutput, log }: CommandOptions): Promise<void> {
  const [file, ...args] = command;
  const child = spawn(file!, args, { cwd: directory, env, stdio: [input ? 'pipe' : 'ignore', 'pipe', 'pipe'] });
  const ended = endOf(child);
  child.stderr!.on('data', (bytes: Buffer) => log.write(bytes));

  const broken = (error: unknown): never => {
    child.kill('SIGKILL');
    throw error;
  };
  const fed = input && child.stdin ? feed(child.stdin, input).catch(broken) : undefined;
  const drained = (async () => {
    for await (const bytes of child.stdout!) await onOutput(bytes);
  })().catch(broken);
  const [exit, ...sides] = await Promise.allSettled([ended, fed, drained]);
  if (exit.status === 'rejected') throw exit.reason;
  for (const side of sides) if (side.status === 'rejected') throw side.reason;

  const { exitCode, signal } = exit.value;
  if (exitCode === 0) return;
  const how = signal ? `killed by ${signal}` : `exit code ${exitCode}`;
  throw withStandardError('ProgramFailed', how, log.tail, signal ? { signal } : { exitCode });
}

/** Resolves when the command has exited and its pipes are empty. */
function endOf(child: ChildProcess): Promise<{ exitCode: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    child.on('error', (error: NodeJS.ErrnoException) => reject(notStarted(child, error)));
    child.on('exit', () => {
      const giveUp = (): void => {
        child.stdout?.destroy();
        child.stderr?.destroy();
        reject(new FuxiError('ProgramFailed', 'the command ended and left a process behind that holds its output open'));
      };
      timer = setTimeout(giveUp, PIPES_OPEN_MS);
      child.stdout?.on('data', () => timer?.refresh());
    });
    child.on('close', (exitCode, signal) => {
      clearTimeout(timer);
      resolve({ exitCode, signal });
    });
  });
}

function notStarted(child: ChildProcess, error: NodeJS.ErrnoException): FuxiError {
  const [name] = child.spawnargs;
  if (error.code === 'ENOENT') return new FuxiError('ProgramNotFound', `there is no command "${name}"`, { cause: error });
  if (error.code === 'EACCES') return new FuxiError('ProgramNotFound', `"${name}" may not be executed`, { cause: error });
  return new FuxiError('ProgramFailed', `"${name}" could not be started: ${error.message}`, { cause: error });
}

/** Writes as the command reads. Ends quietly when the command closes its input or ends. */
async function feed(stdin: Writable, input: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
  let closed = false;
  let wake = (): void => {};
  // EPIPE, or the pipe's end when the command exits: no more input is wanted.
  stdin.on('error', () => {});
  stdin.on('close', () => {
    closed = true;
    wake();
  });
  stdin.on('drain', () => wake());
  for await (const bytes of input) {
    if (closed) return;
    if (stdin.write(bytes)) continue;
    await new Promise<void>((resolve) => {
      wake = resolve;
      if (closed) resolve();
    });
  }
  if (!closed) stdin.end();
}
