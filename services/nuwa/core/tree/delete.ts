import { PERMISSIONS } from '../../contract.ts';
import { allows } from './acl.ts';
import type { Delete, Done, Refused, RequestId } from './command.ts';
import { type Edit, removeNode } from './edit.ts';
import { guardProblem } from './guard.ts';
import type { TreeNode } from './node.ts';
import { childPath, lastName, parentPath } from './path.ts';
import { notThere, refused } from './refused.ts';
import { nodeAt } from './state.ts';

export function applyDelete(edit: Edit, by: RequestId, command: Delete): Done | Refused {
  const { state } = edit;
  const { path, recursive = false } = command;
  const { identities } = by;
  if (path === '/') return refused(state, 'BadPath', '/ cannot be deleted');
  const node = nodeAt(state, path);
  if (!node) return notThere(state, path);
  const parent = nodeAt(state, parentPath(path))!;
  const barred = allows(parent, PERMISSIONS.delete, identities) ? recursive && barredBelow(path, node, identities) : parentPath(path);
  if (barred) return refused(state, 'NoAuth', `children of ${barred} are not this caller's to remove`);
  const other = guardProblem(node, path, command);
  if (other) return refused(state, 'BadVersion', other);
  if (node.children && !recursive) return refused(state, 'NotEmpty', `${path} has ${node.childCount} children`);

  removeNode(edit, parent, path, lastName(path));
  return { kind: 'done', revision: state.revision };
}

/** The first node here or below, by name, whose children the caller may not remove. */
function barredBelow(path: string, node: TreeNode, identities: readonly string[] | undefined): string | undefined {
  const { children } = node;
  if (identities === undefined || !children) return undefined;
  if (!allows(node, PERMISSIONS.delete, identities)) return path;
  for (const name of children.names()) {
    const barred = barredBelow(childPath(path, name), children.get(name)!, identities);
    if (barred) return barred;
  }
  return undefined;
}
