import { pino } from 'pino';
import type { Logger } from '../../../../services/base/log.ts';
import { runSnapshotter } from '../../../../services/nuwa/snapshotter/run.ts';

/**
 * A server that does nothing but order a snapshot: the order as JSON. Prints the snapshotter's pid when it was started, and what came of it.
 */
const write = (line: string): void => console.log((JSON.parse(line) as { childPid: number }).childPid);
const log = pino({ level: 'debug' }, { write }) as Logger;
const order = JSON.parse(process.argv[2]!) as Parameters<typeof runSnapshotter>[0];
const { signal } = new AbortController();
console.log(
  await runSnapshotter({ ...order, log, signal }).then(
    ({ index }) => `made ${index}`,
    (error: Error) => `failed ${error.message}`,
  ),
);
