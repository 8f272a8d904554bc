import type { Clock } from '../base/clock.ts';

/**
 * A clock that stands while one callback of the event loop runs, and is read at its first question in it: a busy server is asked for the time twice for each of the dozens of
 * calls that one read from a socket brings, and reading it costs as much as all else that a check does.
 */
export function turnClock(clock: Clock): Pick<Clock, 'nowMs' | 'monotonicMs'> {
  let standsAtMs: number | undefined;
  const goOn = (): void => {
    standsAtMs = undefined;
  };
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs() {
      if (standsAtMs !== undefined) return standsAtMs;
      standsAtMs = clock.monotonicMs();
      queueMicrotask(goOn);
      return standsAtMs;
    },
  };
}
