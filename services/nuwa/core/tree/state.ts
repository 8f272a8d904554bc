import { NO_BYTES } from './bytes.ts';
import type { Reply } from './command.ts';
import { parsePath } from './path.ts';

/**
 * Everything that a group of servers must agree on. It changes only through `apply` (apply.ts), in place: a server has one
 * tree and never needs the old one, and a copy per change would cost more than the change.
 *
 * Nothing in here may depend on the order in which a Map was filled, since a server that restored a snapshot filled it in
 * another order than one that lived through the history: whoever walks a Map sorts first.
 *
 * Invariants:
 *   1. `index` is the index of the last command applied; commands come with consecutive indexes.
 *   2. `revision` is the number of changes of nodes so far; no node has a revision above it.
 *   3. createRevision <= modifyRevision; no two nodes share either.
 *   4. an ephemeral node has no children; its owner is an open session that lists its path; nothing else is listed there.
 *   5. `nextSequence` of a node is above every counter that was given out under it.
 *   6. of a session's replies, none is below `settled`, and there are at most REPLIES_MAX.
 */
export interface TreeState {
  index: number;
  revision: number;
  readonly root: TreeNode;
  readonly sessions: Map<string, Session>;
}

export interface TreeNode {
  value: Uint8Array;
  version: number;
  createRevision: number;
  modifyRevision: number;
  createdAtMs: number;
  modifiedAtMs: number;
  creator: string;
  ephemeralOwner: string | undefined;
  nextSequence: number;
  children: Map<string, TreeNode> | undefined;
}

export interface Session {
  readonly id: string;
  readonly ttlMs: number;
  readonly creator: string;
  /** Paths of the nodes that go when it does. */
  readonly ephemerals: Set<string>;
  /** Its client has the replies to all requests below this number. */
  settled: number;
  /** What the requests from there on were answered, by request number. */
  readonly replies: Map<number, Reply>;
}

export function newState(): TreeState {
  return { index: 0, revision: 0, root: newNode({ creator: '', revision: 0, nowMs: 0 }), sessions: new Map() };
}

export function newNode(from: { creator: string; revision: number; nowMs: number; value?: Uint8Array; owner?: string }): TreeNode {
  return {
    value: from.value ?? NO_BYTES,
    version: 0,
    createRevision: from.revision,
    modifyRevision: from.revision,
    createdAtMs: from.nowMs,
    modifiedAtMs: from.nowMs,
    creator: from.creator,
    ephemeralOwner: from.owner,
    nextSequence: 0,
    children: undefined,
  };
}

export function newSession(from: { id: string; ttlMs: number; creator: string }): Session {
  return { ...from, ephemerals: new Set(), settled: 0, replies: new Map() };
}

/** How far the way leads: the last node that is there, and how many segments were gone. */
export function walk(state: TreeState, segments: readonly string[]): { node: TreeNode; depth: number } {
  let node = state.root;
  let depth = 0;
  for (; depth < segments.length; depth++) {
    const next = node.children?.get(segments[depth]!);
    if (!next) break;
    node = next;
  }
  return { node, depth };
}

export function nodeAt(state: TreeState, path: string): TreeNode | undefined {
  const { segments } = parsePath(path);
  if (!segments) return undefined;
  const { node, depth } = walk(state, segments);
  return depth === segments.length ? node : undefined;
}

/** By UTF-16 unit: the order of `list`, of deletions and of snapshots. */
export function sorted(names: Iterable<string>): string[] {
  return [...names].sort();
}
