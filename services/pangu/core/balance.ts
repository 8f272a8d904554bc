/**
 * Which replicas go to a node that is new, or emptier than its share.
 *
 * Its share is what every node would hold if all held the same number of bytes. Replicas come from the fullest node, one after the other, until the
 * share is reached; each move makes the two nodes more alike, so moves come to an end and nothing goes back and forth. A replica stays where it is
 * when its move would bring two of its chunk into one rack that were apart before: balance is never bought with safety.
 */
export interface BalanceNode {
  id: string;
  rack: string;
  /** Of replicas. */
  bytes: number;
  freeBytes: number;
}

export interface BalanceReplica {
  chunk: string;
  length: number;
  /** All nodes that hold one. */
  nodes: readonly string[];
}

export interface Move {
  chunk: string;
  from: string;
  to: string;
  length: number;
}

export interface BalanceInput {
  /** Those that take part: there, and not about to leave. */
  nodes: readonly BalanceNode[];
  to: string;
  /** What is known of the replicas of nodes above their share; each stands once, whoever holds it. */
  replicas: readonly BalanceReplica[];
  /** @default no bound */
  bytesMax?: number;
}

/** What each node would hold. */
export function fairShare(nodes: readonly Pick<BalanceNode, 'bytes'>[]): number {
  return nodes.length === 0 ? 0 : Math.floor(nodes.reduce((sum, { bytes }) => sum + bytes, 0) / nodes.length);
}

export function planBalance({ nodes, to, replicas, bytesMax = Number.POSITIVE_INFINITY }: BalanceInput): Move[] {
  const target = nodes.find(({ id }) => id === to);
  if (!target) return [];
  const share = fairShare(nodes);
  const bytes = new Map(nodes.map((node) => [node.id, node.bytes]));
  const racks = new Map(nodes.map(({ id, rack }) => [id, rack]));
  const heldBy = new Map(nodes.map(({ id }) => [id, [] as BalanceReplica[]]));
  for (const replica of replicas) for (const node of replica.nodes) heldBy.get(node)?.push(replica);

  const moves: Move[] = [];
  const moved = new Set<string>();
  let freeBytes = target.freeBytes;
  let left = bytesMax;
  const mayMove = (replica: BalanceReplica, from: string): boolean => {
    const { chunk, length } = replica;
    if (length === 0 || length > freeBytes || length > left || moved.has(chunk) || replica.nodes.includes(to)) return false;
    // The target stays within its share, and never ends up fuller than the node that gave.
    if (bytes.get(to)! + length > Math.max(share, bytes.get(from)! - length)) return false;
    return crowding(replica.nodes, racks) >= crowding([...replica.nodes.filter((node) => node !== from), to], racks);
  };
  for (;;) {
    if (bytes.get(to)! >= share) return moves;
    // The fullest first; one with nothing that may go leaves the turn to the next.
    const givers = [...heldBy.keys()].filter((id) => id !== to && bytes.get(id)! > share).sort((a, b) => bytes.get(b)! - bytes.get(a)!);
    let move: Move | undefined;
    for (const from of givers) {
      const replica = heldBy.get(from)!.find((each) => mayMove(each, from));
      if (replica) move = { chunk: replica.chunk, from, to, length: replica.length };
      if (move) break;
    }
    if (!move) return moves;
    moves.push(move);
    moved.add(move.chunk);
    freeBytes -= move.length;
    left -= move.length;
    bytes.set(move.from, bytes.get(move.from)! - move.length);
    bytes.set(to, bytes.get(to)! + move.length);
  }
}

/** How many pairs of replicas share a rack; a node that nobody knows shares it with none. */
export function crowding(nodes: readonly string[], racks: ReadonlyMap<string, string>): number {
  let pairs = 0;
  nodes.forEach((node, i) => {
    const rack = racks.get(node);
    pairs += nodes.slice(i + 1).filter((other) => rack !== undefined && racks.get(other) === rack).length;
  });
  return pairs;
}
