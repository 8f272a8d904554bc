import type { Random } from '../../base/random.ts';

/**
 * Where the replicas of a new chunk go.
 *
 * Wanted, in this order: nodes that have room; no node twice; racks as different as they come, so that losing one rack never loses a
 * chunk while another rack had room; the first on the writer's own machine, so that its bytes cross the network once less; emptier disks.
 * "Emptier" is a lottery weighted by free bytes: always taking the emptiest would send all new chunks of the cluster to one node.
 */
export interface PlacementNode {
  id: string;
  rack: string;
  freeBytes: number;
  /** It is about to leave: nothing new goes there. @default false */
  draining?: boolean;
}

export interface PlacementWish {
  replicas: number;
  chunkBytes: number;
  preferNode?: string;
  exclude?: readonly string[];
  /** Replicas of the chunk that are there already. */
  beside?: readonly { rack: string }[];
}

/** `noSpace`: servers are there but their disks are full; `noServer`: none is there that is not excluded or about to leave. */
export type Placement = { kind: 'placed'; nodes: string[] } | { kind: 'noSpace' } | { kind: 'noServer' };

export function placeReplicas(nodes: readonly PlacementNode[], wish: PlacementWish, random: Random): Placement {
  const up = nodes.filter((node) => !node.draining && !wish.exclude?.includes(node.id));
  // A chunk may grow to its full size, so a node that cannot hold one whole is full.
  let candidates = up.filter((node) => node.freeBytes >= wish.chunkBytes);
  if (candidates.length === 0) return { kind: up.length === 0 ? 'noServer' : 'noSpace' };

  const chosen: PlacementNode[] = [];
  while (chosen.length < wish.replicas && candidates.length > 0) {
    const preferred = chosen.length === 0 ? candidates.find((node) => node.id === wish.preferNode) : undefined;
    const node = preferred ?? drawByFreeBytes(inLeastUsedRacks(candidates, [...(wish.beside ?? []), ...chosen]), random);
    chosen.push(node);
    candidates = candidates.filter((other) => other !== node);
  }
  return { kind: 'placed', nodes: chosen.map((node) => node.id) };
}

function inLeastUsedRacks(candidates: PlacementNode[], taken: readonly { rack: string }[]): PlacementNode[] {
  const uses = (rack: string): number => taken.filter((node) => node.rack === rack).length;
  const fewest = Math.min(...candidates.map((node) => uses(node.rack)));
  return candidates.filter((node) => uses(node.rack) === fewest);
}

function drawByFreeBytes(candidates: readonly PlacementNode[], random: Random): PlacementNode {
  const total = candidates.reduce((sum, node) => sum + node.freeBytes, 0);
  let ticket = random.next() * total;
  for (const node of candidates) {
    ticket -= node.freeBytes;
    if (ticket < 0) return node;
  }
  return candidates.at(-1)!;
}
