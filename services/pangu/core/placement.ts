import type { Random } from '../../base/random.ts';

/**
 * Where the replicas of a new chunk go.
 *
 * Wanted, in this order: nodes that have room; no node twice; racks as different as they come, so that losing one rack never loses a
 * chunk while another rack had room; within a rack, machines as different as they come (several chunk servers of one machine die together); the first
 * on the writer's own machine, so that its bytes cross the network once less; emptier and less busy nodes.
 *
 * "Emptier" is a lottery weighted by free bytes: always taking the emptiest would send all new chunks of the cluster to one node, and a node twice as
 * large gets twice as many. A busy node weighs less, half with `BUSY_HALVING` operations under way at each of its disks: that is a
 * hint that is seconds old, so it bends the lottery and decides nothing.
 */
export interface PlacementNode {
  id: string;
  rack: string;
  /** Those of one machine stand and fall together. @default the node's own */
  machine?: string;
  /** On all its disks. */
  freeBytes: number;
  /** The most that one disk has: a chunk lies whole on one. @default freeBytes */
  chunkRoomBytes?: number;
  /** Operations under way on each of its disks, on average. @default 0 */
  busy?: number;
  /** It is about to leave: nothing new goes there. @default false */
  draining?: boolean;
}

export interface PlacementWish {
  replicas: number;
  chunkBytes: number;
  preferNode?: string;
  exclude?: readonly string[];
  /** Replicas of the chunk that are there already. */
  beside?: readonly Place[];
}

interface Place {
  rack: string;
  machine?: string;
  id?: string;
}

/** `noSpace`: servers are there but their disks are full; `noServer`: none is there that is not excluded or about to leave. */
export type Placement = { kind: 'placed'; nodes: string[] } | { kind: 'noSpace' } | { kind: 'noServer' };

/** About what a disk has under way when it works at full speed. */
const BUSY_HALVING = 16;

export function placeReplicas(nodes: readonly PlacementNode[], wish: PlacementWish, random: Random): Placement {
  const up = nodes.filter((node) => !node.draining && !wish.exclude?.includes(node.id));
  // A chunk may grow to its full size, so a node that cannot hold one whole is full.
  let candidates = up.filter(({ freeBytes, chunkRoomBytes = freeBytes }) => chunkRoomBytes >= wish.chunkBytes);
  if (candidates.length === 0) return { kind: up.length === 0 ? 'noServer' : 'noSpace' };

  const chosen: PlacementNode[] = [];
  while (chosen.length < wish.replicas && candidates.length > 0) {
    const preferred = chosen.length === 0 ? candidates.find((node) => node.id === wish.preferNode) : undefined;
    const node = preferred ?? draw(leastCrowded(candidates, [...(wish.beside ?? []), ...chosen]), random);
    chosen.push(node);
    candidates = candidates.filter((other) => other !== node);
  }
  return { kind: 'placed', nodes: chosen.map((node) => node.id) };
}

/** Those in the racks that have fewest of the chunk's replicas, and of these those on such machines. */
function leastCrowded(candidates: PlacementNode[], taken: readonly Place[]): PlacementNode[] {
  const inRacks = leastUsed(candidates, (node) => taken.filter(({ rack }) => rack === node.rack).length);
  return leastUsed(inRacks, (node) => taken.filter((other) => machineOf(other) === machineOf(node)).length);
}

function leastUsed(candidates: PlacementNode[], uses: (node: PlacementNode) => number): PlacementNode[] {
  const counts = candidates.map(uses);
  const fewest = Math.min(...counts);
  return candidates.filter((_, i) => counts[i] === fewest);
}

function machineOf({ machine, id }: Place): string | undefined {
  return machine ?? id;
}

function weightOf({ freeBytes, busy = 0 }: PlacementNode): number {
  return freeBytes / (1 + busy / BUSY_HALVING);
}

function draw(candidates: readonly PlacementNode[], random: Random): PlacementNode {
  const total = candidates.reduce((sum, node) => sum + weightOf(node), 0);
  let ticket = random.next() * total;
  for (const node of candidates) {
    ticket -= weightOf(node);
    if (ticket < 0) return node;
  }
  return candidates.at(-1)!;
}
