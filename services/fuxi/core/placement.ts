import { batchSize } from './batching.ts';
import { type Instance, mayRunOn } from './instance.ts';
import type { Timings } from './timings.ts';

/**
 * The instances that the next batch on `node` takes, out of those that wait: those whose input lies there come first, then the others in order.
 * One that failed before runs alone, so that its next failure costs nobody else.
 */
export function chooseInstances(
  waiting: readonly Instance[],
  node: string,
  nowMs: number,
  containers: number,
  timings: Timings,
): Instance[] {
  const usable = waiting.filter((instance) => mayRunOn(instance, node, nowMs));
  const near = usable.filter((instance) => instance.preferred.includes(node));
  const far = usable.filter((instance) => !instance.preferred.includes(node));
  const ordered = [...near, ...far];
  const first = ordered[0];
  if (!first || first.counted > 0) return ordered.slice(0, 1);
  const fresh = ordered.filter((instance) => instance.counted === 0);
  const bytes = fresh.map((instance) => instance.bytes);
  return fresh.slice(0, batchSize(bytes, containers, timings));
}
