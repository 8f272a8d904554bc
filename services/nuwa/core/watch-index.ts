import type { NuwaEvent } from '../contract.ts';
import { parentPath } from './tree/path.ts';

/**
 * Who is to be told of a change, found by its path: the watchers of the node, those of its parent's children, and those of everything below
 * each node on the way up to the root. So a change costs by the depth of its path and by who is told, not by who watches elsewhere; a million
 * watchers that wait for other nodes cost nothing.
 *
 * It knows nothing of doors, sessions or whether a watch fires once: whoever is told and wants no more removes its watch.
 */
export type WatchKind =
  /** The node itself is made, set or removed. */
  | 'node'
  /** A child of the node comes or goes; or the node goes itself, and no child can come any more. */
  | 'children'
  /** `node`, and the same of everything below it. */
  | 'below';

export interface Watch<Watcher> {
  readonly path: string;
  readonly kind: WatchKind;
  readonly watcher: Watcher;
}

export class WatchIndex<Watcher> {
  readonly #node = new Map<string, Set<Watch<Watcher>>>();
  readonly #children = new Map<string, Set<Watch<Watcher>>>();
  readonly #below = new Map<string, Set<Watch<Watcher>>>();
  #size = 0;

  /** Watches that were added and not removed. */
  get size(): number {
    return this.#size;
  }

  /** @returns how to remove it, which may be called again and at any time, also while the watch is being told. */
  add(path: string, kind: WatchKind, watcher: Watcher): () => void {
    const map = kind === 'node' ? this.#node : kind === 'children' ? this.#children : this.#below;
    const watch: Watch<Watcher> = { path, kind, watcher };
    const watches = map.get(path);
    if (watches) watches.add(watch);
    else map.set(path, new Set([watch]));
    this.#size++;
    return () => {
      const watches = map.get(path);
      if (!watches?.delete(watch)) return;
      if (watches.size === 0) map.delete(path);
      this.#size--;
    };
  }

  /** Those to be told of a change, as they are now: `node`, then `children`, then `below` from the node upwards; each kind in the order added. */
  matching({ kind, path }: Pick<NuwaEvent, 'kind' | 'path'>): Watch<Watcher>[] {
    const found: Watch<Watcher>[] = [];
    if (this.#size === 0) return found;
    take(this.#node.get(path), found);
    if (this.#children.size > 0 && kind !== 'changed') {
      if (kind === 'deleted') take(this.#children.get(path), found);
      if (path !== '/') take(this.#children.get(parentPath(path)), found);
    }
    if (this.#below.size > 0) {
      for (let at = path; ; at = parentPath(at)) {
        take(this.#below.get(at), found);
        if (at === '/') break;
      }
    }
    return found;
  }
}

function take<Each>(from: Iterable<Each> | undefined, into: Each[]): void {
  if (from) for (const each of from) into.push(each);
}
