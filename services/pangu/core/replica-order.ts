import type { Random } from '../../base/random.ts';

/** How far a replica is from whoever asks: on the same node, the same machine, in the same rack, elsewhere. */
export const DISTANCES = ['node', 'machine', 'rack', 'elsewhere'] as const;
export type Distance = (typeof DISTANCES)[number];

export interface Place {
  id: string;
  rack: string;
  /** @default the node's own */
  machine?: string;
}

export function distanceOf(from: Place, to: Place): Distance {
  if (from.id === to.id) return 'node';
  if ((from.machine ?? from.id) === (to.machine ?? to.id)) return 'machine';
  return from.rack === to.rack ? 'rack' : 'elsewhere';
}

/**
 * The order in which a reader asks replicas: the nearest first, those as near as each other at random so that readers spread, those whose servers failed or stood still lately
 * last.
 */
export function orderReplicas<R extends { node: string; distance?: Distance | undefined }>(
  replicas: readonly R[],
  options: { own?: string; failed: (node: string) => boolean; random: Random },
): R[] {
  const far = DISTANCES.length - 1;
  const distance = (replica: R): number =>
    replica.node === options.own ? 0 : replica.distance === undefined ? far : DISTANCES.indexOf(replica.distance);
  const rank = (replica: R): number =>
    (options.failed(replica.node) ? DISTANCES.length : 0) + distance(replica) + options.random.next() * 0.5;
  return replicas
    .map((replica) => ({ replica, rank: rank(replica) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ replica }) => replica);
}
