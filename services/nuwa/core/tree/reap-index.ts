import { Deadlines, type DueBounds } from '../deadlines.ts';
import type { TreeNode } from './node.ts';

/**
 * Which nodes may have to go by themselves, and when: containers and nodes with a TTL, as long as they have no children. It follows from
 * the nodes, so it is in no snapshot; every server keeps it, since every server may come to lead, and only the leader asks it.
 */
export class ReapIndex {
  readonly #nodes = new Map<string, TreeNode>();
  readonly #deadlines = new Deadlines<string>(BUCKET_MS);

  get size(): number {
    return this.#nodes.size;
  }

  file(path: string, node: TreeNode): void {
    this.#nodes.set(path, node);
    this.#deadlines.file(path, reapableAtMs(node));
  }

  drop(path: string): void {
    if (this.#nodes.delete(path)) this.#deadlines.drop(path);
  }

  get(path: string): TreeNode | undefined {
    return this.#nodes.get(path);
  }

  /** Paths by name; with bounds, more at later calls. They are due again at the next call, unless they are gone by then. */
  due(nowMs: number, bounds: DueBounds): string[] {
    return this.#deadlines.due(nowMs, (path) => reapableAtMs(this.#nodes.get(path)!), bounds).sort();
  }
}

/** A container that never had a child stays this long: whoever made it is about to fill it. */
export const CONTAINER_UNUSED_MS = 60_000;
/** A node goes up to this much later than it might, which nobody waits for. */
const BUCKET_MS = 1_000;

/** Whether the node may ever go by itself. */
export function isReapable(node: TreeNode): boolean {
  return node.rare !== undefined && (node.rare.container || node.rare.ttlMs !== undefined);
}

/** From when on a reapable node without children may go. */
export function reapableAtMs(node: TreeNode): number {
  if (node.ttlMs !== undefined) return node.modifiedAtMs + node.ttlMs;
  return node.childVersion > 0 ? node.createdAtMs : node.createdAtMs + CONTAINER_UNUSED_MS;
}
