import type { Done, Reap } from './command.ts';
import { type Edit, removeNode } from './edit.ts';
import { lastName, parentPath } from './path.ts';
import { isReapable, reapableAtMs } from './reap-index.ts';
import { nodeAt, type TreeState } from './state.ts';

/**
 * Nodes that go by themselves. Time passes without commands, so it cannot be the tree that notices: the leader asks now and then what may go
 * (`dueForReaping`) and puts a command into the log for each. By the time it is applied the node may have been set, filled or made anew; so the
 * command names what the leader saw, and applying it looks again at all of it, on every server alike.
 */
export function dueForReaping(state: TreeState, nowMs: number): Reap[] {
  return state.reapable.due(nowMs, { dueMax: REAPS_MAX, looksMax: LOOKS_MAX }).map((path) => {
    const { createRevision, modifyRevision } = state.reapable.get(path)!;
    return { kind: 'reap', path, createRevision, modifyRevision };
  });
}

/** Of one look: a million nodes whose time comes at once go over many looks, between other changes. */
export const REAPS_MAX = 1_000;
/** A look at as many nodes that were set in time takes some milliseconds. */
const LOOKS_MAX = 20_000;

/** One that may not go any more stays, and that is fine: the command is done either way. */
export function applyReap(edit: Edit, { path, createRevision, modifyRevision }: Reap): Done {
  const { state } = edit;
  const node = nodeAt(state, path);
  const same = node !== undefined && node.createRevision === createRevision && (node.container || node.modifyRevision === modifyRevision);
  if (same && isReapable(node) && node.childCount === 0 && reapableAtMs(node) <= edit.nowMs)
    removeNode(edit, nodeAt(state, parentPath(path))!, path, lastName(path));
  return { kind: 'done', revision: state.revision };
}
