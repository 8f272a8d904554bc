import { assertInvariant } from '../../../base/assert.ts';
import { internAcl } from './acl.ts';
import type { PackedValue } from './bytes.ts';
import type { Reply } from './command.ts';
import { Directory } from './directory.ts';
import { attach } from './edit.ts';
import { rareOf, TreeNode } from './node.ts';
import { parentPath } from './path.ts';
import { newSession, newState, nodeAt, type Session, sorted, type TreeState } from './state.ts';

/**
 * A state as rows that any encoder takes, and a state out of rows. Equal states give equal rows, whatever history led to them: nodes come in
 * the order of a walk, parents first and children by name, sessions by id. Both ways go row by row: a tree of a million nodes takes 300 MB,
 * and its rows, all at once, would take as much again.
 *
 * Of what follows from the rest (state.ts) nothing is in a row.
 */
export interface Snapshot {
  index: number;
  revision: number;
  nodes: NodeRow[];
  sessions: SessionRow[];
}

export type NodeRow = [
  path: string,
  value: PackedValue,
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
  acl: AclRow[] | null,
];

export type AclRow = [permissions: number, scheme: string, id: string];

/** A session of many replies takes several rows, one after the other, the same but for the replies. */
export type SessionRow = [
  id: string,
  ttlMs: number,
  creator: string,
  settled: number,
  replies: [request: number, reply: Reply][],
  password: Uint8Array | null,
  connection: number,
  /** Absent: it has none. */
  holder?: string,
];

/** A transaction's reply may take some 100 KB, and a session may have a thousand of them: so much of them goes into one row, at least one. */
const REPLIES_BYTES_MAX = 256 * 1024;

/** While it runs, the state must stay as it is. */
export function* nodeRows({ root }: TreeState): Generator<NodeRow> {
  yield toRow('/', root);
  const way: { prefix: string; directory: Directory; names: Iterator<string> }[] = [];
  const enter = (prefix: string, { children }: TreeNode): void => {
    if (children) way.push({ prefix, directory: children, names: children.names()[Symbol.iterator]() });
  };
  enter('/', root);
  for (let here = way.at(-1); here; here = way.at(-1)) {
    const { value: name, done } = here.names.next();
    if (done) {
      way.pop();
      continue;
    }
    const path = here.prefix + name;
    const node = here.directory.get(name)!;
    yield toRow(path, node);
    enter(`${path}/`, node);
  }
}

/** While it runs, the state must stay as it is. */
export function* sessionRows({ sessions }: TreeState): Generator<SessionRow> {
  for (const id of sorted(sessions.keys())) {
    const session = sessions.get(id)!;
    const { ttlMs, creator, settled, password = null, connection, holder } = session;
    for (const replies of replyPortions(session)) {
      const row: SessionRow = [id, ttlMs, creator, settled, replies, password, connection];
      if (holder !== undefined) row.push(holder);
      yield row;
    }
  }
}

/** Makes a state out of rows as they come: sessions first, then nodes in the order of a walk. */
export class SnapshotRestorer {
  readonly #state = newState();
  // Few creators made many nodes: one string each, not one per node.
  readonly #texts = new Map<string, string>();
  /** Most nodes have the parent of the node before them. */
  #parent: { path: string; node: TreeNode } = { path: '/', node: this.#state.root };

  constructor({ index, revision }: { index: number; revision: number }) {
    this.#state.index = index;
    this.#state.revision = revision;
  }

  addSession([id, ttlMs, creator, settled, replies, password, connection, holder]: SessionRow): void {
    const { sessions } = this.#state;
    const session = sessions.get(id) ?? this.#newSession({ id, ttlMs, creator, holder }, password);
    session.settled = settled;
    session.connection = connection;
    for (const [request, reply] of replies) session.replies.set(request, reply);
    sessions.set(session.id, session);
  }

  addNode(row: NodeRow): void {
    const [path] = row;
    const node = this.#nodeOf(row);
    if (path === '/') {
      Object.assign(this.#state.root, node);
      return;
    }
    const above = parentPath(path);
    if (above !== this.#parent.path) {
      const parent = nodeAt(this.#state, above);
      assertInvariant(parent, `the parent of ${path} comes before it`);
      this.#parent = { path: above, node: parent };
    }
    attach(this.#state, this.#parent.node, path, path.slice(path.lastIndexOf('/') + 1), node);
  }

  /** Of a whole snapshot: no row may follow. */
  finish(): TreeState {
    return this.#state;
  }

  #nodeOf(row: NodeRow): TreeNode {
    const [path, packed, version, createRevision, modifyRevision, createdAtMs, modifiedAtMs, creator, owner] = row;
    const node = new TreeNode({ packed, revision: createRevision, nowMs: createdAtMs, creator: this.#shared(creator) });
    node.version = version;
    node.modifyRevision = modifyRevision;
    node.modifiedAtMs = modifiedAtMs;
    assertInvariant(owner === null || this.#state.sessions.has(owner), `the owner of ${path} is open`);
    const nextSequence = row[9];
    const childVersion = row[10];
    if (childVersion > 0 || nextSequence > 0) {
      node.directory = Object.assign(new Directory(createRevision), { nextSequence, childVersion, childRevision: row[11] });
    }
    node.rare = rareOf({
      ephemeralOwner: owner === null ? undefined : this.#shared(owner),
      container: row[12],
      ttlMs: row[13] ?? undefined,
      aclVersion: row[14],
      acl: row[15]
        ? internAcl(
            this.#state,
            row[15].map(([permissions, scheme, id]) => ({ permissions, scheme, id })),
          )
        : undefined,
    });
    return node;
  }

  #newSession(of: { id: string; ttlMs: number; creator: string; holder: string | undefined }, password: Uint8Array | null): Session {
    const { id, ttlMs, creator, holder } = of;
    const own = password === null ? undefined : new Uint8Array(password);
    const holding = holder === undefined ? {} : { holder: this.#shared(holder) };
    return newSession({ id: this.#shared(id), ttlMs, creator: this.#shared(creator), password: own, ...holding });
  }

  #shared(text: string): string {
    const known = this.#texts.get(text);
    if (known === undefined) this.#texts.set(text, text);
    return known ?? text;
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

function toRow(path: string, node: TreeNode): NodeRow {
  const acl = node.rare?.acl?.map(({ permissions, scheme, id }): AclRow => [permissions, scheme, id]);
  return [
    path,
    node.packed,
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

/** By request; one portion at least, for sessions without replies. */
function* replyPortions({ replies }: Session): Generator<[request: number, reply: Reply][]> {
  let portion: [number, Reply][] = [];
  let bytes = 0;
  for (const each of [...replies].sort(([a], [b]) => a - b)) {
    if (bytes > REPLIES_BYTES_MAX) {
      yield portion;
      portion = [];
      bytes = 0;
    }
    portion.push(each);
    bytes += replyBytes(each[1]);
  }
  yield portion;
}

/** Roughly. */
function replyBytes(reply: Reply): number {
  if (reply.kind === 'refused') return 100 + reply.reason.length;
  let bytes = 300 + (reply.path?.length ?? 0);
  for (const { path } of reply.results ?? []) bytes += 300 + (path?.length ?? 0);
  return bytes;
}
