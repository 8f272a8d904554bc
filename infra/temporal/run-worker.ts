import { DefaultLogger, Runtime, type Worker } from '@temporalio/worker';
import type { Logger } from '../../services/base/log.ts';

const LEVELS = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

/** The SDK's log lines, and those of workflows and activities, go where all others of this process go. Once a process, before any connection is made. */
export function logThrough(log: Logger): void {
  const logger = new DefaultLogger('INFO', ({ level, message, meta }) => {
    // Progress of a job is in its workflow; of the SDK's own voice a log wants the exceptions.
    log[level === 'INFO' ? 'debug' : LEVELS[level]]({ ...meta }, message);
  });
  Runtime.install({ logger });
}

/** Runs a worker to its shutdown. It waits for a Temporal server that is away; if it fails all the same its process goes with it, to be started anew. */
export function runUntilStopped(worker: Worker, log: Logger): Promise<void> {
  return worker.run().catch((error) => {
    log.fatal({ error }, 'worker.failed');
    process.exit(1);
  });
}
