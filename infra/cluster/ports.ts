import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { ClusterError } from '../errors.ts';

/**
 * Ports below the range that systems give to outgoing connections (from 32768 on Linux, 49152 on macOS). A port of that range could be taken by
 * somebody's connection while its server is being restarted, and a client that knocks at a closed port of it may even connect to itself.
 *
 * They come in blocks. A port is chosen seconds before the process that it is for listens there, and again and again while that process is restarted; in
 * between nothing shows that it is taken. So whoever gives out ports holds the first of their block open as long as it lives, and nobody else uses that block.
 */
const FIRST = 20_000;
const LAST = 32_000;
const BLOCK_PORTS = 48;

interface Block {
  next: number;
  readonly end: number;
}

let block: Promise<Block> | undefined;
const given = new Set<number>();

/** A port of 127.0.0.1 that nobody listens on. Never the same one twice in this process, nor one that another process of ours was given. */
export async function freePort(): Promise<number> {
  for (;;) {
    const mine = (block ??= claimBlock());
    const found = await mine;
    if (found.next >= found.end) {
      if (block === mine) block = undefined;
      continue;
    }
    const port = found.next++;
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

async function claimBlock(): Promise<Block> {
  for (let tries = 0; tries < 1_000; tries++) {
    const first = FIRST + BLOCK_PORTS * Math.floor(Math.random() * Math.floor((LAST - FIRST) / BLOCK_PORTS));
    if (await holdOpen(first)) return { next: first + 1, end: first + BLOCK_PORTS };
  }
  throw new ClusterError('StartFailed', `no free ports between ${FIRST} and ${LAST}`);
}

/** Until this process ends, which it is not kept from. */
function holdOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy()).unref();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => resolve(true));
  });
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
