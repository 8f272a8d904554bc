import { createMetrics, tellWhenAsked } from '../../base/metrics.ts';
import type { AttemptResult } from '../contract.ts';
import { TUBO_METRICS } from '../metrics.ts';
import type { AttemptRow, AttemptTable } from './attempt-table.ts';

export interface AttemptTelling {
  ended(state: Exclude<AttemptRow['state'], 'running'>, result: AttemptResult): void;
  stop(): void;
}

/** Makes the attempts of this Tubo a part of its process's metrics. */
export function tellAttempts(table: AttemptTable): AttemptTelling {
  const metrics = createMetrics(TUBO_METRICS);
  // Seen as zero before the first, so that the first is seen as a rise.
  for (const outcome of ['done', 'failed', 'killed']) metrics.attempts.inc({ outcome }, 0);
  for (const direction of ['in', 'out']) metrics.bytes.inc({ direction }, 0);
  const stop = tellWhenAsked(metrics.attemptsRunning, () => [{ value: table.list(undefined).length }]);
  return {
    ended(state, result) {
      metrics.attempts.inc({ outcome: state });
      if (!result.ok) return;
      metrics.attemptSeconds.observe(result.ms / 1000);
      metrics.bytes.inc({ direction: 'in' }, result.bytesIn);
      metrics.bytes.inc({ direction: 'out' }, result.bytesOut);
    },
    stop,
  };
}
