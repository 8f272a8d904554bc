import type { NuwaEvent } from '../../contract.ts';
import { NO_BYTES, ownText, packBytes } from './bytes.ts';
import { Directory } from './directory.ts';
import type { TreeEvent } from './event-ring.ts';
import { type Rare, TreeNode } from './node.ts';
import { childPath, parentPath } from './path.ts';
import { isReapable } from './reap-index.ts';
import type { Session, TreeState } from './state.ts';

/**
 * The few ways in which nodes change, and how each is taken back. Operations decide (create.ts, set.ts, …); when they have decided, they
 * change the tree by these alone, so that revisions, events, the children's counters, the sessions' lists and the index of what may be
 * reaped are kept in one place. With `undo` each change leaves there how to take it back: a transaction that is refused in its midst runs them from
 * the last to the first (transaction.ts). A single operation is refused before its first change and needs none.
 */
export interface Edit {
  readonly state: TreeState;
  readonly nowMs: number;
  readonly events: TreeEvent[];
  readonly undo?: (() => void)[];
}

/** What a new node is given. */
export interface Making {
  creator: string;
  value?: Uint8Array;
  noValue?: boolean | undefined;
  rare?: Rare | undefined;
}

/** Makes a node that is not there, under a parent that is. */
export function insertNode(edit: Edit, parent: TreeNode, path: string, name: string, making: Making): TreeNode {
  const { state, nowMs } = edit;
  const { creator, value = NO_BYTES, noValue = false, rare } = making;
  const directory = directoryOf(parent);
  const { childVersion, childRevision } = directory;
  const node = new TreeNode({ packed: noValue ? null : packBytes(value), revision: ++state.revision, nowMs, creator, rare });
  attach(state, parent, path, name, node);
  directory.childVersion++;
  directory.childRevision = node.createRevision;
  edit.events.push(eventOf(node, { kind: 'created', path, revision: state.revision, value }));
  edit.undo?.push(() => {
    detach(state, parent, path, name, node);
    Object.assign(directory, { childVersion, childRevision });
  });
  return node;
}

/** Takes a node out with everything below it, children before parents, each with a revision of its own. */
export function removeNode(edit: Edit, parent: TreeNode, path: string, name: string): void {
  const { state } = edit;
  const directory = directoryOf(parent);
  const { childVersion, childRevision } = directory;
  const node = directory.get(name)!;
  removeBelow(edit, path, node);
  detach(state, parent, path, name, node);
  edit.events.push(eventOf(node, { kind: 'deleted', path, revision: ++state.revision }));
  directory.childVersion++;
  directory.childRevision = state.revision;
  edit.undo?.push(() => {
    attach(state, parent, path, name, node);
    Object.assign(directory, { childVersion, childRevision });
  });
}

/** What lies below stays hung where it was: nothing leads there once its top is out. */
function removeBelow(edit: Edit, above: string, { children }: TreeNode): void {
  if (!children) return;
  const { state } = edit;
  for (const name of children.names()) {
    const path = childPath(above, name);
    const node = children.get(name)!;
    removeBelow(edit, path, node);
    delist(state, path, node);
    edit.events.push(eventOf(node, { kind: 'deleted', path, revision: ++state.revision }));
    edit.undo?.push(() => enlist(state, path, node));
  }
}

export function setValue(edit: Edit, node: TreeNode, path: string, value: Uint8Array, noValue = false): void {
  const { state } = edit;
  if (edit.undo) {
    const { packed, version, modifyRevision, modifiedAtMs } = node;
    edit.undo.push(() => {
      Object.assign(node, { packed, version, modifyRevision, modifiedAtMs });
      fileIfReapable(state, path, node);
    });
  }
  node.packed = noValue ? null : packBytes(value);
  node.version++;
  node.modifyRevision = ++state.revision;
  node.modifiedAtMs = edit.nowMs;
  edit.events.push(eventOf(node, { kind: 'changed', path, revision: state.revision, value }));
}

function eventOf({ rare }: TreeNode, event: NuwaEvent): TreeEvent {
  return rare?.acl === undefined ? event : { ...event, acl: rare.acl };
}

/** Without a revision and an event. */
export function setRare(edit: Edit, node: TreeNode, rare: Rare | undefined): void {
  const before = node.rare;
  node.rare = rare;
  edit.undo?.push(() => {
    node.rare = before;
  });
}

export function setNextSequence(edit: Edit, parent: TreeNode, nextSequence: number): void {
  const directory = directoryOf(parent);
  const before = directory.nextSequence;
  directory.nextSequence = nextSequence;
  edit.undo?.push(() => {
    directory.nextSequence = before;
  });
}

/** Hangs a node in, and all that follows from it: also how a snapshot's rows become a tree. */
export function attach(state: TreeState, parent: TreeNode, path: string, name: string, node: TreeNode): void {
  if (parent.childCount === 0 && isReapable(parent)) state.reapable.drop(parentPath(path));
  directoryOf(parent).add(ownText(name), node);
  enlist(state, path, node);
}

function detach(state: TreeState, parent: TreeNode, path: string, name: string, node: TreeNode): void {
  directoryOf(parent).remove(name);
  delist(state, path, node);
  if (parent.childCount === 0) fileIfReapable(state, parentPath(path), parent);
}

function enlist(state: TreeState, path: string, node: TreeNode): void {
  state.nodes++;
  if (node.rare === undefined) return;
  const own = ownText(path);
  ownerOf(state, node)?.ephemerals.add(own);
  fileIfReapable(state, own, node);
}

function delist(state: TreeState, path: string, node: TreeNode): void {
  state.nodes--;
  if (node.rare === undefined) return;
  ownerOf(state, node)?.ephemerals.delete(path);
  state.reapable.drop(path);
}

function fileIfReapable(state: TreeState, path: string, node: TreeNode): void {
  if (isReapable(node) && node.childCount === 0) state.reapable.file(path, node);
}

function ownerOf(state: TreeState, { ephemeralOwner }: TreeNode): Session | undefined {
  return ephemeralOwner === undefined ? undefined : state.sessions.get(ephemeralOwner);
}

function directoryOf(parent: TreeNode): Directory {
  return (parent.directory ??= new Directory(parent.createRevision));
}
