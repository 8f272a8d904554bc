import { type BalanceReplica, crowding, type Move } from './balance.ts';

/**
 * Which replicas move so that all nodes are equally full: each holds the same share of what it can hold, so a disk that is twice as large gets twice as much.
 *
 * Replicas go from nodes above the common share to nodes below it, the fullest giver and the emptiest taker first, and no move takes either past the share
 * by more than half of what it moves. So a taker never becomes a giver, what has moved does not move again, and it comes to an end. Racks count more than
 * balance: a replica stays when its move would bring two of its chunk together that were apart.
 */
export interface SpreadNode {
  id: string;
  rack: string;
  /** Of replicas. */
  bytes: number;
  freeBytes: number;
}

export interface SpreadInput {
  /** Those that take part: there, and not about to leave. */
  nodes: readonly SpreadNode[];
  /** What is known of the replicas of nodes above their share; each stands once, whoever holds it. */
  replicas: readonly BalanceReplica[];
  /** Chunks that have moved already. */
  moved?: ReadonlySet<string>;
  /** @default no bound */
  bytesMax?: number;
}

/** What each node would hold if all were equally full. */
export function targetsOf(nodes: readonly SpreadNode[]): Map<string, number> {
  const held = nodes.reduce((sum, { bytes }) => sum + bytes, 0);
  const all = nodes.reduce((sum, node) => sum + capacityOf(node), 0);
  return new Map(nodes.map((node) => [node.id, all === 0 ? 0 : (held * capacityOf(node)) / all]));
}

/** Room for chunks; what others keep on the disk is no part of it. */
function capacityOf({ bytes, freeBytes }: SpreadNode): number {
  return bytes + freeBytes;
}

/** Bytes above their share, of all nodes together: what is to move. */
export function excessBytes(nodes: readonly SpreadNode[]): number {
  const targets = targetsOf(nodes);
  return Math.round(nodes.reduce((sum, { id, bytes }) => sum + Math.max(0, bytes - targets.get(id)!), 0));
}

/** How far apart the fullest and the emptiest are, as a share of what they would hold: 0 is even. */
export function spreadOf(nodes: readonly SpreadNode[]): number {
  const targets = targetsOf(nodes);
  const fill = nodes.filter(({ id }) => targets.get(id)! > 0).map(({ id, bytes }) => bytes / targets.get(id)!);
  return fill.length === 0 ? 0 : Math.max(...fill) - Math.min(...fill);
}

export function planSpread({ nodes, replicas, moved = new Set(), bytesMax = Number.POSITIVE_INFINITY }: SpreadInput): Move[] {
  const targets = targetsOf(nodes);
  const racks = new Map(nodes.map(({ id, rack }) => [id, rack]));
  const free = new Map(nodes.map(({ id, freeBytes }) => [id, freeBytes]));
  /** Above the share, or below it when negative. */
  const excess = new Map(nodes.map(({ id, bytes }) => [id, bytes - targets.get(id)!]));
  const heldBy = new Map(nodes.map(({ id }) => [id, [] as BalanceReplica[]]));
  for (const replica of replicas)
    if (replica.length > 0 && !moved.has(replica.chunk)) for (const node of replica.nodes) heldBy.get(node)?.push(replica);
  // The largest first: what is left over is then evened out by small ones.
  for (const held of heldBy.values()) held.sort((a, b) => b.length - a.length);

  const moves: Move[] = [];
  const taken = new Set<string>();
  let left = bytesMax;
  const mayMove = ({ chunk, length, nodes: at }: BalanceReplica, from: string, to: string): boolean => {
    if (taken.has(chunk) || at.includes(to) || length > left || length > free.get(to)!) return false;
    if (excess.get(from)! < length / 2 || excess.get(to)! > -length / 2) return false;
    return crowding(at, racks) >= crowding([...at.filter((node) => node !== from), to], racks);
  };
  const next = (): Move | undefined => {
    const order = [...excess].sort((a, b) => b[1] - a[1]).map(([id]) => id);
    for (const from of order.filter((id) => excess.get(id)! > 0)) {
      for (const to of order.filter((id) => excess.get(id)! < 0).reverse()) {
        const replica = heldBy.get(from)!.find((each) => mayMove(each, from, to));
        if (replica) return { chunk: replica.chunk, from, to, length: replica.length };
      }
    }
    return undefined;
  };
  for (let move = next(); move; move = next()) {
    const { chunk, from, to, length } = move;
    moves.push(move);
    taken.add(chunk);
    left -= length;
    free.set(to, free.get(to)! - length);
    excess.set(from, excess.get(from)! - length);
    excess.set(to, excess.get(to)! + length);
  }
  return moves;
}
