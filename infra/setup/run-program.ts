import { type ChildProcess, type ExecFileException, execFile } from 'node:child_process';

export interface RunOptions {
  timeoutMs: number;
  env?: Record<string, string | undefined>;
  cwd?: string;
  uid?: number;
  gid?: number;
  signal?: AbortSignal;
}

const running = new Set<ChildProcess>();
let stopped = false;

/** For a process that is about to end: kills every program that is being run and lets no other start. Whoever waits for one gets an error. */
export function stopPrograms(): void {
  stopped = true;
  for (const child of running) child.kill('SIGKILL');
}

/** Runs a program to its end and gives what it printed; an error tells in a line or three why it did not go well. */
export function runProgram(command: string, args: readonly string[], options: RunOptions): Promise<{ stdout: string; stderr: string }> {
  const { timeoutMs, env, ...rest } = options;
  return new Promise((resolve, reject) => {
    if (stopped) return reject(new Error(`${command} is not started any more`));
    const settings = {
      timeout: timeoutMs,
      killSignal: 'SIGKILL' as const,
      maxBuffer: 16 * 1_048_576,
      env: { ...process.env, ...env },
      ...rest,
    };
    const child = execFile(command, [...args], settings, (error, stdout, stderr) => {
      running.delete(child);
      if (error) reject(new Error(reasonOf(error, command, timeoutMs, stderr || stdout), { cause: error }));
      else resolve({ stdout, stderr });
    });
    running.add(child);
  });
}

function reasonOf(error: ExecFileException, command: string, timeoutMs: number, output: string): string {
  if (error.code === 'ENOENT') return `${command} is not installed`;
  if (error.name === 'AbortError') return 'given up';
  if (error.killed) return `no end after ${timeoutMs / 1000} s`;
  return lastLines(output, 3) || `exit code ${error.code ?? error.signal}`;
}

export function lastLines(text: string, count: number): string {
  return text
    .trimEnd()
    .split('\n')
    .slice(-count)
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('\n');
}
