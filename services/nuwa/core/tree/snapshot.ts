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
  connection: number,
];

/** The nodes one after the other, so that nobody has to hold all their rows. */
export function* nodeRows(state: TreeState): Generator<NodeRow> {
  function* below(path: string, node: TreeNode): Generator<NodeRow> {
    yield toRow(path, node);
    for (const name of node.children?.names() ?? []) {
      const child = node.children!.get(name)!;
      // Most nodes are leaves, and a generator for each would cost more than its row.
      if (child.children) yield* below(childPath(path, name), child);
      else yield toRow(childPath(path, name), child);
    }
  }
  yield* below('/', state.root);
}

export function* sessionRows(state: TreeState): Generator<SessionRow> {
  for (const id of sorted(state.sessions.keys())) {
    const { ttlMs, creator, settled, replies, password = null, connection } = state.sessions.get(id)!;
    yield [id, ttlMs, creator, settled, [...replies].sort(([a], [b]) => a - b), password, connection];
  }
}

/** Makes a state out of rows as they come: sessions first, then nodes in the order of a walk. */
export class SnapshotRestorer {
  readonly #state = newState();
  // Few creators made many nodes: one string each, not one per node.
  readonly #texts = new Map<string, string>();
  readonly #shared = (text: string): string => this.#texts.get(text) ?? this.#texts.set(text, text).get(text)!;

  constructor({ index, revision }: { index: number; revision: number }) {
    this.#state.index = index;
    this.#state.revision = revision;
  }

  addSession([id, ttlMs, creator, settled, replies, password, connection]: SessionRow): void {
    const session = newSession({ id: this.#shared(id), ttlMs, creator: this.#shared(creator), password: password ?? undefined });
    session.settled = settled;
    session.connection = connection;
    for (const [request, reply] of replies) session.replies.set(request, reply);
    this.#state.sessions.set(session.id, session);
  }

  addNode(row: NodeRow): void {
    restoreNode(this.#state, row, this.#shared);
  }

  finish(): TreeState {
    return this.#state;
  }
}

/** The whole at once, for small trees. */
export function takeSnapshot(state: TreeState): Snapshot {
  return { index: state.index, revision: state.revision, nodes: [...nodeRows(state)], sessions: [...sessionRows(state)] };
}

export function restoreSnapshot(snapshot: Snapshot): TreeState {
  const restorer = new SnapshotRestorer(snapshot);
  for (const row of snapshot.sessions) restorer.addSession(row);
  for (const row of snapshot.nodes) restorer.addNode(row);
  return restorer.finish();
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
