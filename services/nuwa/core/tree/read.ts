import type { NuwaNode } from '../../contract.ts';
import type { Rare, TreeNode } from './node.ts';
import { childPath } from './path.ts';

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
    ...(node.rare && rareFields(node.rare)),
    childCount: node.childCount,
  };
}

function rareFields({ ephemeralOwner, container, ttlMs }: Rare): Partial<NuwaNode> {
  return {
    ...(ephemeralOwner !== undefined && { ephemeralOwner }),
    ...(container && { container }),
    ...(ttlMs !== undefined && { ttlMs }),
  };
}

/** Roughly what a node takes in a reply beside its path and value. */
const FIELDS_BYTES = 250;

export interface ChildrenPage {
  children: NuwaNode[];
  /** The name after which the next page begins; absent on the last page. */
  next?: string;
}

/** Children by name, from just after `after` on: at most `limit`, and as many as fit in `bytesMax`, one at least. */
export function viewChildren(
  path: string,
  node: TreeNode,
  after: string | undefined,
  bytesMax: number,
  limit = Number.POSITIVE_INFINITY,
): ChildrenPage {
  const children: NuwaNode[] = [];
  let bytes = 0;
  let last: string | undefined;
  for (const name of node.children?.names(after) ?? []) {
    const child = node.children!.get(name)!;
    const fullPath = childPath(path, name);
    bytes += FIELDS_BYTES + fullPath.length * 3 + child.valueBytes;
    if (last !== undefined && (bytes > bytesMax || children.length >= limit)) return { children, next: last };
    children.push(viewNode(fullPath, child));
    last = name;
  }
  return { children };
}
