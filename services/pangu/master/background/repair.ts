import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../../base/errors.ts';
import type { MasterContext } from '../context.ts';
import { replicate } from '../ops/replicate.ts';
import { underReplicated } from '../ops/under-replicated.ts';

/**
 * Gives back to sealed chunks the replicas they have lost for good: those that a writer had to leave out, and those that were dropped because their
 * bytes were wrong. A replica on a server that is away still counts: a machine that restarts is back long before its data is copied.
 *
 * Every master runs this. Two that come to the same chunk share one copy (copy-replica.ts).
 */
export interface RepairOptions {
  /** From one look to the next: a writer's loss waits half of it on average; a look costs one query. @default 5_000 */
  intervalMs?: number;
}

/** Chunks in one look. They are copied one after the other, so that mending leaves the disks to those who work. */
const BATCH = 50;

export function startRepairLoop(context: MasterContext, { intervalMs = 5_000 }: RepairOptions = {}): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const run = async (): Promise<void> => {
    for (;;) {
      await delay(intervalMs, undefined, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return;
      await mendOnce(context, stopping.signal).catch((error) => context.log.warn({ error: messageOf(error) }, 'repair.failed'));
    }
  };
  const running = run();
  return {
    stop: () => {
      stopping.abort();
      return running;
    },
  };
}

async function mendOnce(context: MasterContext, signal: AbortSignal): Promise<void> {
  const { chunks } = await underReplicated(context, { limit: BATCH });
  for (const chunk of chunks) {
    if (signal.aborted) return;
    const { outcome, node, reason } = await replicate(context, { chunk });
    if (outcome === 'done') context.log.info({ chunk, node }, 'chunk.mended');
    else if (outcome !== 'gone') context.log.debug({ chunk, outcome, reason }, 'chunk.not-mended');
  }
}
