import type { Clock } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';

export interface Loop {
  /** The next round begins at once, or right after the present one. */
  wake(): void;
  stop(): Promise<void>;
}

export interface LoopOptions {
  /** In the log, when a round fails. */
  name: string;
  /** From the end of a round to the next. */
  intervalMs: number;
  /** @default intervalMs */
  firstMs?: number;
  clock: Clock;
  log: Logger;
  round(signal: AbortSignal): Promise<void>;
}

/** Rounds of background work, one after the other; one that fails is told and does not end it. */
export function startLoop({ name, intervalMs, firstMs = intervalMs, clock, log, round }: LoopOptions): Loop {
  const stopping = new AbortController();
  let woken = new AbortController();
  const pause = async (ms: number): Promise<void> => {
    await clock.sleep(ms, AbortSignal.any([stopping.signal, woken.signal])).catch(() => {});
    woken = new AbortController();
  };
  const run = async (): Promise<void> => {
    await pause(firstMs);
    while (!stopping.signal.aborted) {
      await round(stopping.signal).catch((error) => {
        if (!stopping.signal.aborted) log.warn({ error: messageOf(error) }, `${name}.failed`);
      });
      await pause(intervalMs);
    }
  };
  const running = run();
  return {
    wake: () => woken.abort(),
    stop: () => {
      stopping.abort();
      return running;
    },
  };
}
