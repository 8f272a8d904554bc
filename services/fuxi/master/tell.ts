import { createMetrics, tellWhenAsked } from '../../base/metrics.ts';
import { sumOf } from '../core/pool-resources.ts';
import { deficitOf, type Pool } from '../core/pool-state.ts';
import { FUXI_MASTER_METRICS } from '../metrics.ts';

const BYTES_PER_MIB = 1_048_576;

/** Makes what stands in the books of this FuxiMaster a part of its process's metrics. */
export function tellFuxiMaster(pool: Pool): { granted(containers: number): void; lost(containers: number): void; stop(): void } {
  const metrics = createMetrics(FUXI_MASTER_METRICS);
  const usedAndTotal = (read: (resources: { cpu: number; memoryMiB: number }) => number) =>
    [...pool.nodes.values()].flatMap(({ id, capacity, containers }) => [
      { labels: { node: id, kind: 'used' }, value: read(sumOf([...containers.values()].map(({ resources }) => resources))) },
      { labels: { node: id, kind: 'total' }, value: read(capacity) },
    ]);
  const deficits = () => [...pool.requesters.values()].map(deficitOf).filter((deficit) => deficit > 0);
  const untell = [
    tellWhenAsked(metrics.containers, () =>
      [...pool.nodes.values()].map(({ id, containers }) => ({ labels: { node: id }, value: containers.size })),
    ),
    tellWhenAsked(metrics.cpu, () => usedAndTotal(({ cpu }) => cpu)),
    tellWhenAsked(metrics.memoryBytes, () => usedAndTotal(({ memoryMiB }) => memoryMiB * BYTES_PER_MIB)),
    tellWhenAsked(metrics.requestsWaiting, () => [{ value: deficits().length }]),
    tellWhenAsked(metrics.containersWaiting, () => [{ value: deficits().reduce((sum, deficit) => sum + deficit, 0) }]),
  ];
  return {
    granted: (containers) => metrics.grants.inc(containers),
    lost: (containers) => metrics.containersLost.inc(containers),
    stop: () => {
      for (const stopTelling of untell) stopTelling();
    },
  };
}
