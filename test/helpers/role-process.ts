import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { RoleName } from '../../infra/roles.ts';
import type { RoleConfig } from '../../services/base/role.ts';

export interface RoleProcess {
  readonly address: string;
  readonly child: ChildProcess;
  /** Resolves when that is so; `stopped`: when it has come to the point, where it stands still. */
  stopAt(point: string): Promise<{ stopped: Promise<void> }>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
}

/** Runs a role in a process of its own, as in a real cluster. It ends with this process at the latest. */
export async function startRoleProcess(
  role: RoleName,
  config: RoleConfig,
  env: Record<string, string> = {},
  options?: object,
): Promise<RoleProcess> {
  const script = new URL('./run-role.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--import', 'tsx', script, role, JSON.stringify(config), JSON.stringify(options ?? {})], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { FEITIAN_LOG_LEVEL: 'silent', ...process.env, ...env },
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const lines = createInterface({ input: child.stdout! });
  const said = (what: string): Promise<string> =>
    new Promise((resolve) => {
      const listen = (line: string): void => {
        if (!line.startsWith(`{"${what}"`)) return;
        lines.off('line', listen);
        resolve((JSON.parse(line) as Record<string, string>)[what]!);
      };
      lines.on('line', listen);
    });
  const ended = exited.then((): never => {
    throw new Error(`role ${role} ended before it was ready`);
  });
  ended.catch(() => {});
  const address = await Promise.race([said('address'), ended]);
  return {
    address,
    child,
    stopAt: async (point) => {
      const stopped = said('stoppedAt').then(() => standsStill(child.pid!));
      const armed = said('armed');
      child.stdin!.write(`${point}\n`);
      await armed;
      return { stopped };
    },
    kill: () => {
      child.kill('SIGKILL');
      return exited;
    },
  };
}

/** It says that it will stop just before it does. */
async function standsStill(pid: number): Promise<void> {
  while (!execFileSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' }).startsWith('T')) await delay(5);
}
