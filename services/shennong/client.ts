import { readFile, statfs } from 'node:fs/promises';
import { cpus, freemem, loadavg, totalmem } from 'node:os';
import { createMetrics, tellWhenAsked } from '../base/metrics.ts';
import { memAvailableBytes, networkBytes } from './core/proc.ts';
import { NODE_METRICS } from './metrics.ts';

/** Makes the machine a part of this process's metrics: for the one process that speaks for its node. @returns how to stop. */
export function tellNode({ dataDir }: { dataDir: string }): () => void {
  const metrics = createMetrics(NODE_METRICS);
  const untell = [
    tellWhenAsked(metrics.cpuSeconds, cpuSeconds),
    tellWhenAsked(metrics.cpus, () => [{ value: cpus().length }]),
    tellWhenAsked(metrics.load, () => [{ value: loadavg()[0]! }]),
    tellWhenAsked(metrics.memoryBytes, async () => [
      { labels: { kind: 'available' }, value: memAvailableBytes(await proc('meminfo')) ?? freemem() },
      { labels: { kind: 'total' }, value: totalmem() },
    ]),
    tellWhenAsked(metrics.diskBytes, async () => {
      const { bavail, blocks, bsize } = await statfs(dataDir);
      return [
        { labels: { kind: 'free' }, value: bavail * bsize },
        { labels: { kind: 'total' }, value: blocks * bsize },
      ];
    }),
    tellWhenAsked(metrics.networkBytes, async () => {
      const bytes = networkBytes(await proc('net/dev'));
      return bytes
        ? [
            { labels: { direction: 'in' }, value: bytes.in },
            { labels: { direction: 'out' }, value: bytes.out },
          ]
        : [];
    }),
  ];
  return () => {
    for (const stopTelling of untell) stopTelling();
  };
}

function cpuSeconds(): { labels: { mode: string }; value: number }[] {
  const sums: Record<string, number> = {};
  for (const { times } of cpus()) for (const [mode, ms] of Object.entries(times)) sums[mode] = (sums[mode] ?? 0) + ms / 1000;
  return Object.entries(sums).map(([mode, value]) => ({ labels: { mode }, value }));
}

/** A file of Linux's /proc; empty elsewhere. */
function proc(name: string): Promise<string> {
  return readFile(`/proc/${name}`, 'utf8').catch(() => '');
}
