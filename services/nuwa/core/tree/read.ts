import type { NuwaNode } from '../../contract.ts';
import { childPath } from './path.ts';
import { sorted, type TreeNode } from './state.ts';

export function viewNode(path: string, node: TreeNode): NuwaNode {
  return {
    path,
    value: node.value,
    version: node.version,
    createRevision: node.createRevision,
    modifyRevision: node.modifyRevision,
    createdAtMs: node.createdAtMs,
    modifiedAtMs: node.modifiedAtMs,
    creator: node.creator,
    ...(node.ephemeralOwner === undefined ? {} : { ephemeralOwner: node.ephemeralOwner }),
    childCount: node.children?.size ?? 0,
  };
}

/** Roughly what a node takes in a reply beside its path and value. */
const FIELDS_BYTES = 250;

export interface ChildrenPage {
  children: NuwaNode[];
  /** The name after which the next page begins; absent on the last page. */
  next?: string;
}

/** Children by name, from just after `after` on, as many as fit in `bytesMax`, one at least. */
export function viewChildren(path: string, node: TreeNode, after: string | undefined, bytesMax: number): ChildrenPage {
  const children: NuwaNode[] = [];
  let bytes = 0;
  let last: string | undefined;
  for (const name of node.children ? sorted(node.children.keys()) : []) {
    if (after !== undefined && name <= after) continue;
    const view = viewNode(childPath(path, name), node.children!.get(name)!);
    bytes += FIELDS_BYTES + view.path.length * 3 + view.value.length;
    if (bytes > bytesMax && last !== undefined) return { children, next: last };
    children.push(view);
    last = name;
  }
  return { children };
}
