import { hasCode } from '../../base/errors.ts';
import type { NodesSnapshot } from '../contract.ts';
import { listAll } from './list.ts';
import type { NuwaRpc } from './rpc.ts';

/** How far down: the node itself, its children too, or everything below it. */
export type Depth = 'node' | 'children' | 'all';

/** Directories read side by side: enough to hide the way to the server, few enough not to crowd it. */
const READS_MAX = 8;

/** The nodes as they are. Read in several calls, so a change that happens meanwhile may be in a part of it. */
export async function takeSnapshot(rpc: NuwaRpc, path: string, depth: Depth, signal: AbortSignal): Promise<NodesSnapshot> {
  const root = await rpc.get({ path }, { signal }).catch(absent);
  if (!root.node) return { nodes: [], revision: root.revision, readTo: root.revision };
  const nodes = [root.node];
  let readTo = root.revision;
  let level = depth === 'node' || root.node.childCount === 0 ? [] : [path];
  while (level.length > 0) {
    const next: string[] = [];
    for (let i = 0; i < level.length; i += READS_MAX) {
      const read = await Promise.all(level.slice(i, i + READS_MAX).map((directory) => listAll(rpc, directory, signal).catch(absent)));
      for (const directory of read) {
        readTo = Math.max(readTo, directory.readTo ?? directory.revision);
        for (const child of directory.children ?? []) {
          nodes.push(child);
          if (child.childCount > 0) next.push(child.path);
        }
      }
    }
    level = depth === 'all' ? next : [];
  }
  return { nodes, revision: root.revision, readTo };
}

/** What `NoNode` says of the revision at which there was none; a directory that went meanwhile has no children. */
function absent(error: unknown): { revision: number; node?: undefined; children?: undefined; readTo?: undefined } {
  if (hasCode(error, 'NoNode') && typeof error.details.revision === 'number') return { revision: error.details.revision };
  throw error;
}
