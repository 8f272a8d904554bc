import { assertInvariant } from '../../../base/assert.ts';
import { internAcl } from './acl.ts';
import { packBytes } from './bytes.ts';
import type { Reply } from './command.ts';
import { Directory } from './directory.ts';
import { attach } from './edit.ts';
import { rareOf, TreeNode } from './node.ts';
import { childPath, lastName, parentPath } from './path.ts';
import { newSession, newState, nodeAt, sorted, type TreeState } from './state.ts';

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
  childVersion: number,
  childRevision: number,
  container: boolean,
  ttlMs: number | null,
  aclVersion: number,
  acl: [permissions: number, scheme: string, id: string][] | null,
];

export type SessionRow = [
  id: string,
  ttlMs: number,
  creator: string,
  settled: number,
  replies: [request: number, reply: Reply][],
  password: Uint8Array | null,
];

export function takeSnapshot(state: TreeState): Snapshot {
  const nodes: NodeRow[] = [];
  const visit = (path: string, node: TreeNode): void => {
    nodes.push(toRow(path, node));
    for (const name of node.children?.names() ?? []) visit(childPath(path, name), node.children!.get(name)!);
  };
  visit('/', state.root);
  const sessions = sorted(state.sessions.keys()).map((id): SessionRow => {
    const { ttlMs, creator, settled, replies, password = null } = state.sessions.get(id)!;
    return [id, ttlMs, creator, settled, [...replies].sort(([a], [b]) => a - b), password];
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
  for (const [id, ttlMs, creator, settled, replies, password] of snapshot.sessions) {
    const session = newSession({ id: shared(id), ttlMs, creator: shared(creator), password: password ?? undefined });
    session.settled = settled;
    for (const [request, reply] of replies) session.replies.set(request, reply);
    state.sessions.set(session.id, session);
  }
  for (const row of snapshot.nodes) restoreNode(state, row, shared);
  return state;
}

/** Parents come before their children, sessions before nodes. */
function restoreNode(state: TreeState, row: NodeRow, shared: (text: string) => string): void {
  const [path] = row;
  const node = fromRow(state, row, shared);
  if (path === '/') {
    Object.assign(state.root, node);
    return;
  }
  const parent = nodeAt(state, parentPath(path));
  assertInvariant(parent, `the parent of ${path} comes before it`);
  attach(state, parent, path, lastName(path), node);
}

function toRow(path: string, node: TreeNode): NodeRow {
  const acl = node.rare?.acl?.map(({ permissions, scheme, id }): [number, string, string] => [permissions, scheme, id]);
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
    node.childVersion,
    node.childRevision,
    node.container,
    node.ttlMs ?? null,
    node.aclVersion,
    acl ?? null,
  ];
}

function fromRow(state: TreeState, row: NodeRow, shared: (text: string) => string): TreeNode {
  const [path, value, version, createRevision, modifyRevision, createdAtMs, modifiedAtMs, creator, owner, ...tail] = row;
  const [nextSequence, childVersion, childRevision, container, ttlMs, aclVersion, acl] = tail;
  assertInvariant(owner === null || state.sessions.has(owner), `the owner of ${path} is open`);
  const rare = rareOf({
    ephemeralOwner: owner === null ? undefined : shared(owner),
    container,
    ttlMs: ttlMs ?? undefined,
    acl:
      acl === null
        ? undefined
        : internAcl(
            state,
            acl.map(([permissions, scheme, id]) => ({ permissions, scheme, id })),
          ),
    aclVersion,
  });
  const node = new TreeNode({ packed: packBytes(value), revision: createRevision, nowMs: createdAtMs, creator: shared(creator), rare });
  Object.assign(node, { version, modifyRevision, modifiedAtMs });
  if (childVersion > 0 || nextSequence > 0) {
    node.directory = Object.assign(new Directory(createRevision), { nextSequence, childVersion, childRevision });
  }
  return node;
}
