import { createMetrics, tellWhenAsked } from '../../base/metrics.ts';
import { PANGU_MASTER_METRICS } from '../metrics.ts';
import { Outcomes } from '../outcomes.ts';
import type { Figures } from './background/measure.ts';
import type { ChunkServers } from './context.ts';

export interface MasterTelling {
  outcomes: Outcomes;
  replicaDropped(): void;
  stop(): void;
}

/** Makes what this master does, and what it sees of the cluster, a part of its process's metrics. */
export function tellMaster(from: { figures(): Figures | undefined; chunkServers: ChunkServers }): MasterTelling {
  const metrics = createMetrics(PANGU_MASTER_METRICS);
  const outcomes = new Outcomes(metrics.operations);
  const tell = (metric: Parameters<typeof tellWhenAsked>[0], read: (figures: Figures) => number) =>
    tellWhenAsked(metric, () => {
      const figures = from.figures();
      return figures ? [{ value: read(figures) }] : [];
    });
  const untell = [
    outcomes.stop,
    tell(metrics.files, ({ files }) => files),
    tell(metrics.fileBytes, ({ fileBytes }) => fileBytes),
    tell(metrics.underReplicated, ({ underReplicated }) => underReplicated),
    tell(metrics.unavailable, ({ unavailable }) => unavailable),
    tellWhenAsked(metrics.chunks, () =>
      Object.entries(from.figures()?.chunksByState ?? {}).map(([state, value]) => ({ labels: { state }, value })),
    ),
    tellWhenAsked(metrics.replicas, () =>
      Object.entries(from.figures()?.replicasByNode ?? {}).map(([node, value]) => ({ labels: { node }, value })),
    ),
    tellWhenAsked(metrics.chunkServers, () => {
      const servers = from.chunkServers.list();
      const draining = servers.filter((server) => server.draining).length;
      return [
        { labels: { state: 'active' }, value: servers.length - draining },
        { labels: { state: 'draining' }, value: draining },
      ];
    }),
  ];
  return {
    outcomes,
    replicaDropped: () => metrics.badReplicas.inc(),
    stop: () => {
      for (const stopTelling of untell) stopTelling();
    },
  };
}
