import { createMetrics, tellWhenAsked } from '../base/metrics.ts';
import { NUWA_METRICS } from './metrics.ts';
import type { Replica } from './replica.ts';
import type { Watchers } from './watchers.ts';

/** Makes what this server does a part of its process's metrics. */
export function tellNuwa({ replica, watchers }: { replica: Replica; watchers: Watchers }): { sessionExpired(): void; stop(): void } {
  const metrics = createMetrics(NUWA_METRICS);
  replica.onCommitted = (tookMs) => {
    metrics.commits.inc();
    metrics.commitSeconds.observe(tookMs / 1000);
  };
  const untell = [
    tellWhenAsked(metrics.leader, () => [{ value: replica.unwritable ? 0 : 1 }]),
    tellWhenAsked(metrics.sessions, () => [{ value: replica.state.sessions.size }]),
    tellWhenAsked(metrics.watches, () => [{ value: watchers.size }]),
    tellWhenAsked(metrics.nodes, () => [{ value: replica.nodes }]),
    tellWhenAsked(metrics.revision, () => [{ value: replica.state.revision }]),
    tellWhenAsked(metrics.logBytes, () => [{ value: replica.logBytes }]),
  ];
  return {
    sessionExpired: () => metrics.sessionsExpired.inc(),
    stop: () => {
      for (const stopTelling of untell) stopTelling();
    },
  };
}
