import type { Random } from '../../base/random.ts';
import { type PlacementNode, placeReplicas } from './placement.ts';

/**
 * Which chunk is copied next, from where and to where. They come in order of danger: those with the fewest replicas that can be read first, of these the oldest.
 * Each node takes part in a bounded number of copies; a chunk whose nodes are all busy lets the next one go before it, so that no disk stands idle for it.
 */
export interface Lacking {
  chunk: string;
  length: number;
  /** All that hold a replica, there or not. */
  nodes: string[];
}

export interface PickedCopy {
  chunk: string;
  length: number;
  source: string;
  to: string;
}

/** How far to look past chunks whose nodes are busy. */
const LOOK_MAX = 100;

export function pickCopy(
  lacking: readonly Lacking[],
  servers: readonly PlacementNode[],
  busy: ReadonlyMap<string, number>,
  copiesPerNode: number,
  random: Random,
): PickedCopy | undefined {
  const work = (id: string): number => busy.get(id) ?? 0;
  const free = servers.filter(({ id }) => work(id) < copiesPerNode);
  if (free.length < 2) return undefined;
  for (const { chunk, length, nodes } of lacking.slice(0, LOOK_MAX)) {
    const sources = free.filter(({ id }) => nodes.includes(id));
    if (sources.length === 0) continue;
    const source = sources.reduce((least, each) => (work(each.id) < work(least.id) ? each : least));
    const beside = servers.filter(({ id }) => nodes.includes(id));
    const placement = placeReplicas(free, { replicas: 1, chunkBytes: length, exclude: nodes, beside }, random);
    if (placement.kind === 'placed') return { chunk, length, source: source.id, to: placement.nodes[0]! };
  }
  return undefined;
}
