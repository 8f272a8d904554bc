import type { Acl } from '../../contract.ts';
import type { Reply } from './command.ts';
import { TreeNode } from './node.ts';
import { ReapIndex } from './reap-index.ts';

export type { TreeNode } from './node.ts';

/**
 * Everything that a group of servers must agree on. It changes only through `apply` (apply.ts), in place: a server has one
 * tree and never needs the old one, and a copy per change would cost more than the change.
 *
 * Nothing in here may depend on the order in which a Map was filled, since a server that restored a snapshot filled it in
 * another order than one that lived through the history: whoever walks a Map sorts first.
 *
 * Invariants:
 *   1. `index` is that of the last entry of the log applied; entries come with consecutive indexes, with commands or without.
 *   2. `revision` is the number of changes of nodes so far; no node has a revision above it. An ACL changes without one: it is
 *      told to no watcher.
 *   3. createRevision <= modifyRevision; no two nodes share either.
 *   4. an ephemeral node has no children; its owner is an open session that lists its path; nothing else is listed there.
 *   5. a node is one at most of ephemeral, container, and with a TTL.
 *   6. `nextSequence` of a node is above every counter that was given out under it.
 *   7. of a session's replies, none is below `settled`, and there are at most REPLIES_MAX.
 *   8. `nodes` counts the nodes below the root; `reapable` holds the containers and the nodes with a TTL that have no children.
 *
 * The last two follow from the nodes, as `acls` does: a snapshot does not hold them.
 */
export interface TreeState {
  index: number;
  revision: number;
  nodes: number;
  readonly root: TreeNode;
  readonly sessions: Map<string, Session>;
  readonly reapable: ReapIndex;
  /** One object for equal ACLs, by their text. */
  readonly acls: Map<string, Acl>;
}

export interface Session {
  readonly id: string;
  readonly ttlMs: number;
  readonly creator: string;
  readonly password: Uint8Array | undefined;
  /** Of the key that opened it. Undefined: nobody was asked, or the session is older than the asking. */
  readonly holder: string | undefined;
  /** The connection that it is on, of sessions that came through the ZooKeeper door; 0: none in particular. */
  connection: number;
  /** Paths of the nodes that go when it does. */
  readonly ephemerals: Set<string>;
  /** Its client has the replies to all requests below this number. */
  settled: number;
  /** What the requests from there on were answered, by request number. */
  readonly replies: Map<number, Reply>;
}

export function newState(): TreeState {
  return {
    index: 0,
    revision: 0,
    nodes: 0,
    root: new TreeNode({ packed: '', revision: 0, nowMs: 0, creator: '' }),
    sessions: new Map(),
    reapable: new ReapIndex(),
    acls: new Map(),
  };
}

export function newSession(from: {
  id: string;
  ttlMs: number;
  creator: string;
  password?: Uint8Array | undefined;
  holder?: string | undefined;
}): Session {
  const { id, ttlMs, creator, password, holder } = from;
  return { id, ttlMs, creator, password, holder, connection: 0, ephemerals: new Set(), settled: 0, replies: new Map() };
}

/** How far the way leads: the last node that is there, and how many segments were gone. */
export function walk(state: TreeState, segments: readonly string[]): { node: TreeNode; depth: number } {
  let node = state.root;
  let depth = 0;
  for (; depth < segments.length; depth++) {
    const next = node.directory?.get(segments[depth]!);
    if (!next) break;
    node = next;
  }
  return { node, depth };
}

/**
 * The node at a path, found without taking the path apart or judging it, which costs more than the finding: a text that leads to a node is
 * a path. Where it leads to none, `parsePath` tells whether it could.
 */
export function nodeAt(state: TreeState, path: string): TreeNode | undefined {
  if (path === '/') return state.root;
  if (!path.startsWith('/')) return undefined;
  let node = state.root;
  for (let begin = 1; ; ) {
    const end = path.indexOf('/', begin);
    const next = node.directory?.get(end === -1 ? path.slice(begin) : path.slice(begin, end));
    if (!next || end === -1) return next;
    node = next;
    begin = end + 1;
  }
}

/** By UTF-16 unit: the order of `list`, of deletions and of snapshots. */
export function sorted(names: Iterable<string>): string[] {
  return [...names].sort();
}
