import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../../base/clock.ts';
import { isDatabaseAway } from '../../../base/database.ts';
import { messageOf } from '../../../base/errors.ts';
import type { MasterContext } from '../context.ts';
import { trashRetentionMs } from '../settings.ts';
import { emptyTrash } from '../trash.ts';

/** Removes for good what has lain in the trash as long as the cluster keeps it. Every master runs this; each directory of the trash goes once. */
export interface TrashOptions {
  /** A tenth of the ten minutes by which trash is kept. @default 60_000 */
  intervalMs?: number;
}

export function startTrashLoop(context: MasterContext, { intervalMs = 60_000 }: TrashOptions = {}): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        const emptied = await emptyTrash(context, { beforeMs: systemClock.nowMs() - (await trashRetentionMs(context.db)) });
        if (emptied > 0) context.log.info({ emptied }, 'trash.emptied');
      } catch (error) {
        context.log[isDatabaseAway(error) ? 'info' : 'error']({ error: messageOf(error) }, 'trash.failed');
      }
      await delay(intervalMs, undefined, { signal: stopping.signal }).catch(() => {});
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
