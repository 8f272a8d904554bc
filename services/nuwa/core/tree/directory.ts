import type { TreeNode } from './node.ts';
import { placeBehind, SortedNames } from './sorted-names.ts';

/**
 * The children of a node, found by name at once and walked by name in order. A small directory is sorted when somebody walks it; a large
 * one keeps its order, or each page of a listing would sort it anew. It stays when the last child went: it holds what must not be forgotten.
 *
 * Invariants: `nextSequence` is above every counter that was given out here; `childRevision` is that of the latest child made or removed, or
 * of the node's own making; `#order`, where there is one, holds exactly the names of `#nodes`.
 */
export class Directory {
  childVersion = 0;
  childRevision: number;
  nextSequence = 0;
  readonly #nodes = new Map<string, TreeNode>();
  #order: SortedNames | undefined;

  constructor(createRevision: number) {
    this.childRevision = createRevision;
  }

  get size(): number {
    return this.#nodes.size;
  }

  has(name: string): boolean {
    return this.#nodes.has(name);
  }

  get(name: string): TreeNode | undefined {
    return this.#nodes.get(name);
  }

  /** In no order that means anything. */
  keys(): IterableIterator<string> {
    return this.#nodes.keys();
  }

  /** In no order that means anything. */
  values(): IterableIterator<TreeNode> {
    return this.#nodes.values();
  }

  /** By UTF-16 unit, from just behind `after` on. Nothing may change meanwhile. */
  names(after?: string): Iterable<string> {
    if (this.#order) return this.#order.from(after);
    const names = [...this.#nodes.keys()].sort();
    return after === undefined ? names : names.slice(placeBehind(names, after));
  }

  add(name: string, node: TreeNode): void {
    this.#nodes.set(name, node);
    if (this.#order) this.#order.add(name);
    else if (this.#nodes.size >= ORDERED_FROM) this.#order = new SortedNames([...this.#nodes.keys()].sort());
  }

  remove(name: string): void {
    this.#nodes.delete(name);
    if (this.#nodes.size < ORDERED_FROM / 2) this.#order = undefined;
    else this.#order?.remove(name);
  }
}

/** Sorting as many names as this takes a fifth of a millisecond, which a listing may cost. */
const ORDERED_FROM = 1_024;
