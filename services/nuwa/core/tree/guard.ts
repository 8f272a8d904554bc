import type { Guard } from './command.ts';
import type { TreeNode } from './node.ts';

/** In one sentence why this is not the node that the caller saw, or undefined. */
export function guardProblem(node: TreeNode, path: string, { version, createRevision }: Guard): string | undefined {
  if (version !== undefined && node.version !== version) return `${path} has version ${node.version}, not ${version}`;
  if (createRevision !== undefined && node.createRevision !== createRevision)
    return `${path} was made anew at revision ${node.createRevision}`;
  return undefined;
}
