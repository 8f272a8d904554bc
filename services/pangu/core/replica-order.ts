import type { Random } from '../../base/random.ts';

/** The order in which a reader asks replicas: its own node's, then the others at random so that readers spread, those that failed lately last. */
export function orderReplicas<R extends { node: string }>(
  replicas: readonly R[],
  options: { own?: string; failed: (node: string) => boolean; random: Random },
): R[] {
  const rank = (replica: R): number =>
    (options.failed(replica.node) ? 2 : replica.node === options.own ? 0 : 1) + options.random.next() * 0.5;
  return replicas
    .map((replica) => ({ replica, rank: rank(replica) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ replica }) => replica);
}
