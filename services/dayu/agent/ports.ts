import { createServer } from 'node:net';
import { systemRandom } from '../../base/random.ts';
import { DayuError } from '../contract.ts';

/**
 * Ports that are free for the asking are taken from here: below those that systems give to outgoing connections (32768 and up on Linux, 49152 elsewhere), one
 * of which could else take the port between our look and the instance's start.
 */
const FIRST = 20_000;
const COUNT = 12_000;
const TRIES_MAX = 100;

/** A port for each name. Errors: StartFailed when a port that is fixed is taken. */
export async function choosePorts(wanted: Readonly<Record<string, number>>): Promise<Record<string, number>> {
  const chosen: Record<string, number> = {};
  for (const [name, port] of Object.entries(wanted)) {
    if (port !== 0 && !(await isFree(port)))
      throw new DayuError('StartFailed', `port ${port} (${name}) is taken by another process of this machine`, { details: { port } });
    chosen[name] = port === 0 ? await anyFree(Object.values(chosen)) : port;
  }
  return chosen;
}

async function anyFree(taken: readonly number[]): Promise<number> {
  for (let i = 0; i < TRIES_MAX; i++) {
    const port = FIRST + systemRandom.int(COUNT);
    if (!taken.includes(port) && (await isFree(port))) return port;
  }
  throw new DayuError('StartFailed', `no free port was found between ${FIRST} and ${FIRST + COUNT - 1}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}
