import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { ClusterError } from '../errors.ts';

/**
 * Ports below the range that systems give to outgoing connections (from 32768 on Linux, 49152 on macOS). A port of that range could be taken by
 * somebody's connection while its server is being restarted, and a client that knocks at a closed port of it may even connect to itself.
 */
const FIRST = 20_000;
const LAST = 32_000;

const given = new Set<number>();

/** A port of 127.0.0.1 that nobody listens on. Never the same one twice in this process. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 1_000; tries++) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new ClusterError('StartFailed', `no free port between ${FIRST} and ${LAST}`);
}

/** A port that was asked for, if it can be had. */
export async function wantedPort(wanted: number | undefined, what: string): Promise<number> {
  if (wanted === undefined) return await freePort();
  if (!(await isFree(wanted))) throw new ClusterError('StartFailed', `port ${wanted}, wanted for ${what}, is in use`);
  given.add(wanted);
  return wanted;
}

/** A port is free when its process is gone; only a machine that hangs takes longer. */
const FREE_MS_MAX = 5_000;

/** Waits until nobody listens on any of them; @returns those that are still in use. */
export async function awaitFree(ports: readonly number[]): Promise<number[]> {
  const untilMs = performance.now() + FREE_MS_MAX;
  let left = [...ports];
  for (;;) {
    const free = await Promise.all(left.map(isFree));
    left = left.filter((_, index) => !free[index]);
    if (left.length === 0 || performance.now() > untilMs) return left;
    await delay(20);
  }
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
