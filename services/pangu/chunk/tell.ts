import { createMetrics, tellWhenAsked } from '../../base/metrics.ts';
import { PANGU_CHUNK_METRICS } from '../metrics.ts';
import { Outcomes } from '../outcomes.ts';
import type { ChunkStore } from './chunk-store.ts';

/** Makes what this chunk server does a part of its process's metrics. */
export function tellChunkServer(store: ChunkStore): { outcomes: Outcomes; stop(): void } {
  const metrics = createMetrics(PANGU_CHUNK_METRICS);
  const outcomes = new Outcomes(metrics.operations);
  const untell = [
    outcomes.stop,
    tellWhenAsked(metrics.readBytes, () => [{ value: store.traffic.readBytes }]),
    tellWhenAsked(metrics.writtenBytes, () => [{ value: store.traffic.writtenBytes }]),
    tellWhenAsked(metrics.chunkFiles, () => (store.files === undefined ? [] : [{ value: store.files }])),
    tellWhenAsked(metrics.diskBytes, async () => {
      const { freeBytes, totalBytes } = await store.space();
      return [
        { labels: { kind: 'free' }, value: freeBytes },
        { labels: { kind: 'total' }, value: totalBytes },
      ];
    }),
  ];
  return {
    outcomes,
    stop: () => {
      for (const stopTelling of untell) stopTelling();
    },
  };
}
