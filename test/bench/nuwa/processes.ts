import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** Servers of a bench: started here, ended here, and asked what they cost. */
export interface ServerProcess {
  readonly name: string;
  readonly child: ChildProcess;
  readonly exited: Promise<void>;
  /** In good order, and with force when that takes too long. */
  stop(): Promise<void>;
}

const STOP_MS_MAX = 10_000;

/** A bench that fails leaves nobody behind. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export function startServer(name: string, command: readonly string[], env: Record<string, string>, log: string): ServerProcess {
  const [program, ...args] = command;
  mkdirSync(dirname(log), { recursive: true });
  const output = openSync(log, 'a');
  const child = spawn(program!, args, { stdio: ['ignore', output, output], env: { ...process.env, ...env } });
  closeSync(output);
  running.add(child);
  child.once('exit', () => running.delete(child));
  const exited = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('exit', () => resolve());
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await exited;
    clearTimeout(timer);
  };
  return { name, child, exited, stop };
}

const PORT_MS_MAX = 60_000;

/** Waits until somebody listens there. */
export async function awaitPort(port: number, server: ServerProcess): Promise<void> {
  const untilMs = performance.now() + PORT_MS_MAX;
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1' });
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (open) return;
    if (server.child.exitCode !== null || performance.now() > untilMs) throw new Error(`${server.name} does not listen at ${port}`);
    await delay(100);
  }
}

/** Clock ticks of /proc are hundredths of a second on every Linux that Node runs on. */
const TICK_MS = 10;

/** Processor time of a process so far, with its threads; undefined where the system does not tell. */
export async function cpuMs({ child }: ServerProcess): Promise<number | undefined> {
  const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return undefined;
  // What follows the name, which may hold anything: utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Memory that a process takes, and the most it ever took, in MiB. */
export async function memoryMiB({ child }: ServerProcess): Promise<{ now: number; most: number } | undefined> {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => undefined);
  if (status === undefined) return undefined;
  const of = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN) / 1024;
  return { now: of('VmRSS'), most: of('VmHWM') };
}

/** What `work` cost the servers per operation. */
export async function withServerCost<T extends { operations: number }>(
  servers: readonly ServerProcess[],
  work: () => Promise<T>,
): Promise<T & { serverUs?: number }> {
  const total = async (): Promise<number | undefined> => {
    const each = await Promise.all(servers.map(cpuMs));
    return each.every((ms) => ms !== undefined) ? each.reduce<number>((sum, ms) => sum + ms!, 0) : undefined;
  };
  const before = await total();
  const result = await work();
  const after = await total();
  if (before === undefined || after === undefined || result.operations === 0) return result;
  return { ...result, serverUs: ((after - before) * 1000) / result.operations };
}
