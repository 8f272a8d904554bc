import { assertInvariant } from '../../../base/assert.ts';
import { NO_BYTES } from './bytes.ts';
import type { Reply } from './command.ts';
import { childPath, parsePath } from './path.ts';
import { newSession, newState, sorted, type TreeNode, type TreeState, walk } from './state.ts';

/**
 * A state as plain arrays that any encoder takes. Equal states give equal snapshots, whatever history led to them: nodes come
 * in the order of a walk, parents first and children by name, sessions by id.
 */
export interface Snapshot {
  index: number;
  revision: number;
  nodes: NodeRow[];
  sessions: SessionRow[];
}

export type NodeRow = [
  path: string,
  value: Uint8Array,
  version: number,
  createRevision: number,
  modifyRevision: number,
  createdAtMs: number,
  modifiedAtMs: number,
  creator: string,
  ephemeralOwner: string | null,
  nextSequence: number,
];

export type SessionRow = [id: string, ttlMs: number, creator: string, settled: number, replies: [request: number, reply: Reply][]];

export function takeSnapshot(state: TreeState): Snapshot {
  const nodes: NodeRow[] = [];
  const visit = (path: string, node: TreeNode): void => {
    nodes.push(toRow(path, node));
    if (node.children) for (const name of sorted(node.children.keys())) visit(childPath(path, name), node.children.get(name)!);
  };
  visit('/', state.root);
  const sessions = sorted(state.sessions.keys()).map((id): SessionRow => {
    const session = state.sessions.get(id)!;
    return [id, session.ttlMs, session.creator, session.settled, [...session.replies].sort(([a], [b]) => a - b)];
  });
  return { index: state.index, revision: state.revision, nodes, sessions };
}

export function restoreSnapshot(snapshot: Snapshot): TreeState {
  const state = newState();
  state.index = snapshot.index;
  state.revision = snapshot.revision;
  // Few creators made many nodes: one string each, not one per node.
  const texts = new Map<string, string>();
  const shared = (text: string): string => texts.get(text) ?? texts.set(text, text).get(text)!;
  for (const [id, ttlMs, creator, settled, replies] of snapshot.sessions) {
    const session = newSession({ id: shared(id), ttlMs, creator: shared(creator) });
    session.settled = settled;
    for (const [request, reply] of replies) session.replies.set(request, reply);
    state.sessions.set(session.id, session);
  }
  for (const row of snapshot.nodes) {
    const node = fromRow(row, shared);
    const { segments } = parsePath(row[0]);
    assertInvariant(segments, `${row[0]} is a path`);
    if (segments.length === 0) {
      Object.assign(state.root, node);
      continue;
    }
    const { node: parent, depth } = walk(state, segments.slice(0, -1));
    assertInvariant(depth === segments.length - 1, `the parent of ${row[0]} comes before it`);
    parent.children ??= new Map();
    parent.children.set(segments.at(-1)!, node);
    if (node.ephemeralOwner !== undefined) {
      const owner = state.sessions.get(node.ephemeralOwner);
      assertInvariant(owner, `the owner of ${row[0]} is open`);
      owner.ephemerals.add(row[0]);
    }
  }
  return state;
}

function toRow(path: string, node: TreeNode): NodeRow {
  return [
    path,
    node.value,
    node.version,
    node.createRevision,
    node.modifyRevision,
    node.createdAtMs,
    node.modifiedAtMs,
    node.creator,
    node.ephemeralOwner ?? null,
    node.nextSequence,
  ];
}

function fromRow(row: NodeRow, shared: (text: string) => string): TreeNode {
  const [, value, version, createRevision, modifyRevision, createdAtMs, modifiedAtMs, creator, owner, nextSequence] = row;
  return {
    value: value.length === 0 ? NO_BYTES : value,
    version,
    createRevision,
    modifyRevision,
    createdAtMs,
    modifiedAtMs,
    creator: shared(creator),
    ephemeralOwner: owner === null ? undefined : shared(owner),
    nextSequence,
    children: undefined,
  };
}
