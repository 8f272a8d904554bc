import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { RoleName } from '../../infra/roles.ts';
import type { RoleConfig } from '../../services/base/role.ts';

export interface RoleProcess {
  readonly address: string;
  readonly child: ChildProcess;
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
  const address = await new Promise<string>((resolve, reject) => {
    void exited.then(() => reject(new Error(`role ${role} ended before it was ready`)));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (line.startsWith('{"address"')) resolve((JSON.parse(line) as { address: string }).address);
    });
  });
  return {
    address,
    child,
    kill: () => {
      child.kill('SIGKILL');
      return exited;
    },
  };
}
