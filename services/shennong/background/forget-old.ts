import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { AnomalyStore } from '../store.ts';

/** Long enough to compare a quarter with the one before. */
const KEEP_MS = 180 * 24 * 3_600_000;
const LOOK_MS = 3_600_000;

/** Forgets records that were resolved long ago, so that the table does not grow for ever. */
export async function forgetOld({
  store,
  clock,
  log,
  signal,
}: {
  store: AnomalyStore;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}): Promise<void> {
  while (!signal.aborted) {
    try {
      const forgotten = await store.forget(KEEP_MS);
      if (forgotten > 0) log.info({ forgotten }, 'events.forgotten');
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'events.not-forgotten');
    }
    await clock.sleep(LOOK_MS, signal).catch(() => {});
  }
}
