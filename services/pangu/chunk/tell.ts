import { createMetrics, type Metrics, tellWhenAsked } from '../../base/metrics.ts';
import { DISK_STATES } from '../core/disk-space.ts';
import { PANGU_CHUNK_METRICS } from '../metrics.ts';
import { Outcomes } from '../outcomes.ts';
import type { ChunkStore } from './chunk-store.ts';
import type { DiskSet } from './disks/disk-set.ts';
import type { RandomStore } from './random/random-store.ts';

type ChunkMetrics = Metrics<typeof PANGU_CHUNK_METRICS>;

/** Makes what this chunk server does a part of its process's metrics. */
export function tellChunkServer(store: ChunkStore, random: RandomStore): { outcomes: Outcomes; stop(): void } {
  const metrics = createMetrics(PANGU_CHUNK_METRICS);
  const outcomes = new Outcomes(metrics.operations);
  const untell = [
    outcomes.stop,
    tellWhenAsked(metrics.readBytes, () => [{ value: store.traffic.readBytes }]),
    tellWhenAsked(metrics.writtenBytes, () => [{ value: store.traffic.writtenBytes }]),
    ...tellDisks(metrics, store.disks),
    ...tellRandomStore(metrics, random),
  ];
  return {
    outcomes,
    stop: () => {
      for (const stopTelling of untell) stopTelling();
    },
  };
}

function tellDisks(metrics: ChunkMetrics, disks: DiskSet): (() => void)[] {
  return [
    tellWhenAsked(metrics.chunkFiles, () =>
      disks.all.flatMap(({ path, files }) => (files === undefined ? [] : [{ labels: { disk: path }, value: files }])),
    ),
    tellWhenAsked(metrics.diskBytes, async () => {
      await disks.measure();
      return disks.measured.flatMap(({ path, freeBytes, totalBytes }) => [
        { labels: { disk: path, kind: 'free' }, value: freeBytes },
        { labels: { disk: path, kind: 'total' }, value: totalBytes },
      ]);
    }),
    tellWhenAsked(metrics.disks, () =>
      DISK_STATES.map((state) => ({ labels: { state }, value: disks.measured.filter((disk) => disk.state === state).length })),
    ),
    tellWhenAsked(metrics.diskQueue, () => disks.all.map(({ path, busy }) => ({ labels: { disk: path }, value: busy }))),
    tellWhenAsked(metrics.diskErrors, () => disks.all.map(({ path, errors }) => ({ labels: { disk: path }, value: errors }))),
  ];
}

function tellRandomStore(metrics: ChunkMetrics, random: RandomStore): (() => void)[] {
  return [
    tellWhenAsked(metrics.randomChunks, async () => [{ value: (await random.list()).length }]),
    tellWhenAsked(metrics.randomBytes, async () => {
      const { chunkBytes, journalBytes } = await random.figures();
      return [
        { labels: { kind: 'chunks' }, value: chunkBytes },
        { labels: { kind: 'journal' }, value: journalBytes },
      ];
    }),
  ];
}
