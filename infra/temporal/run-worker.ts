import type { Worker } from '@temporalio/worker';
import type { Logger } from '../../services/base/log.ts';

/** Runs a worker to its shutdown. It waits for a Temporal server that is away; if it fails all the same its process goes with it, to be started anew. */
export function runUntilStopped(worker: Worker, log: Logger): Promise<void> {
  return worker.run().catch((error) => {
    log.fatal({ error }, 'worker.failed');
    process.exit(1);
  });
}
