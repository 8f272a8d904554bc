import { assertInvariant } from '../../../base/assert.ts';
import type { NuwaEvent } from '../../contract.ts';
import { childPath, joinPath, parsePath } from './path.ts';
import { sorted, type TreeNode, type TreeState, walk } from './state.ts';

/** Takes the node at `path` out with everything below it, children before parents, each with a revision of its own. */
export function removeNode(state: TreeState, path: string, events: NuwaEvent[]): void {
  const segments = parsePath(path).segments ?? [];
  const name = segments.at(-1);
  const { node: parent, depth } = walk(state, segments.slice(0, -1));
  const node = name === undefined ? undefined : parent.children?.get(name);
  assertInvariant(node && name !== undefined && depth === segments.length - 1, `${path} is there to be removed`);
  removeBelow(state, joinPath(segments), node, events);
  parent.children!.delete(name);
  if (parent.children!.size === 0) parent.children = undefined;
}

function removeBelow(state: TreeState, path: string, node: TreeNode, events: NuwaEvent[]): void {
  if (node.children)
    for (const name of sorted(node.children.keys())) removeBelow(state, childPath(path, name), node.children.get(name)!, events);
  if (node.ephemeralOwner !== undefined) state.sessions.get(node.ephemeralOwner)?.ephemerals.delete(path);
  events.push({ kind: 'deleted', path, revision: ++state.revision });
}
