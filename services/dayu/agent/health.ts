/** Asks an instance whether it is well. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { connect } from 'node:net';
import { messageOf } from '../../base/errors.ts';
import { sendSignal } from '../../base/process.ts';
import type { RoleDescriptor } from '../contract.ts';

export interface HealthContext {
  ports: Readonly<Record<string, number>>;
  cwd: string;
  env: Record<string, string>;
}

const HOST = '127.0.0.1';

/** @returns what is wrong; undefined when it is well. */
export async function checkHealth(
  health: RoleDescriptor['health'],
  context: HealthContext,
  giveUp: AbortSignal,
): Promise<string | undefined> {
  const { http, tcp, command, timeoutMs } = health;
  const late = AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([giveUp, late]);
  try {
    if (http) return await checkHttp(context.ports[http.port]!, http.path, signal);
    if (tcp) return await checkTcp(context.ports[tcp.port]!, signal);
    if (command) return await checkCommand(command, context, signal);
    return undefined;
  } catch (error) {
    return late.aborted ? `its health check did not answer within ${timeoutMs} ms` : `its health check failed: ${messageOf(error)}`;
  }
}

/** A connection of its own each time, so that one that hangs is seen and none stays open. */
async function checkHttp(port: number, path: string, signal: AbortSignal): Promise<string | undefined> {
  const status = await new Promise<number>((resolve, reject) => {
    const request = get({ host: HOST, port, path, agent: false, signal }, (response) => {
      response.on('error', reject).resume();
      resolve(response.statusCode!);
    });
    request.on('error', reject);
  });
  return status >= 200 && status <= 299 ? undefined : `GET ${path} answered ${status}`;
}

async function checkTcp(port: number, signal: AbortSignal): Promise<undefined> {
  const socket = connect({ host: HOST, port, signal });
  try {
    await once(socket, 'connect', { signal });
  } finally {
    socket.on('error', () => {}).destroy();
  }
}

async function checkCommand([program, ...args]: string[], { cwd, env }: HealthContext, signal: AbortSignal): Promise<string | undefined> {
  const child = spawn(program!, args, { cwd, env, detached: true, stdio: 'ignore' });
  try {
    const [code, killedBy] = (await once(child, 'exit', { signal })) as [number | null, string | null];
    return code === 0 ? undefined : `its health check ended with ${killedBy ?? `exit code ${code}`}`;
  } finally {
    if (child.pid !== undefined) sendSignal(-child.pid, 'SIGKILL'); // whatever of it is left
    child.on('error', () => {});
  }
}
