import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const COMMAND = fileURLToPath(new URL('../../infra/bin/feitian.mjs', import.meta.url));

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** The `feitian` command as a process of its own. */
export function startFeitian(
  args: readonly string[],
  env: Record<string, string | undefined> = {},
): { child: ChildProcess; ended: Promise<Ended>; said(pattern: RegExp): Promise<void> } {
  const child = spawn(process.execPath, [COMMAND, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', ...env },
  });
  const output = { stdout: '', stderr: '' };
  const listeners = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
      for (const listener of listeners) listener();
    });
  }
  const ended = new Promise<Ended>((resolve) => child.once('close', (code, signal) => resolve({ code, signal, ...output })));
  const said = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => pattern.test(output.stdout + output.stderr) && resolve();
      listeners.add(look);
      look();
      void ended.then(({ stdout, stderr }) => reject(new Error(`it ended without saying ${pattern}:\n${stdout}${stderr}`)));
    });
  return { child, ended, said };
}

export function feitian(args: readonly string[], env: Record<string, string | undefined> = {}): Promise<Ended> {
  return startFeitian(args, env).ended;
}
