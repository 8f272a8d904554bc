import { PERMISSIONS } from '../contract.ts';
import { gives } from '../core/tree/acl.ts';
import type { TreeEvent } from '../core/tree/event-ring.ts';
import { parentPath } from '../core/tree/path.ts';
import { nodeAt, type TreeState } from '../core/tree/state.ts';
import { WatchIndex, type WatchKind } from '../core/watch-index.ts';
import { isFeitians } from './feitian-nodes.ts';
import { EVENTS, writeNotification } from './protocol.ts';
import { Writer } from './wire.ts';

/**
 * Watches as ZooKeeper has them: `data` (set by getData, and by exists on a node that is there), `exist` (by exists on one that is not) and `child` fire once;
 * `persistent` is data and child in one and stays; `recursive` is told of every change of the node and all below it, and stays.
 */
export type ZkWatchKind = 'data' | 'exist' | 'child' | 'persistent' | 'recursive';
const INDEXED: Record<ZkWatchKind, readonly WatchKind[]> = {
  data: ['node'],
  exist: ['node'],
  child: ['children'],
  persistent: ['node', 'children'],
  recursive: ['below'],
};
const ONE_SHOT: ReadonlySet<ZkWatchKind> = new Set(['data', 'exist', 'child']);

/** How many watches there are and how long the paths that they watch, of one connection and of all of a door. */
export interface WatchBounds {
  readonly watchesMax: number;
  readonly pathBytesMax: number;
  readonly watchesAllMax: number;
  readonly pathBytesAllMax: number;
}

/** A watch takes about 400 bytes beside its path. */
export const WATCH_BOUNDS: WatchBounds = {
  watchesMax: 100_000,
  pathBytesMax: 16 * 1024 * 1024,
  watchesAllMax: 1_000_000,
  pathBytesAllMax: 128 * 1024 * 1024,
};

/** Watches of a client that is back cannot all be set again. It must not go on without them. */
export class WatchesFull extends Error {
  override readonly name = 'WatchesFull';
}

/** A connection, as its watches see it. */
export interface Notified {
  /** Whom it showed itself to be. */
  readonly identities: readonly string[];
  /** Encoded; it goes out before any answer that shows the change. */
  notify(packet: Buffer): void;
}

interface Watcher {
  owner: ConnectionWatches;
  kind: ZkWatchKind;
  path: string;
}

/** All watches of one server's connections. */
export class DoorWatches {
  readonly #index = new WatchIndex<Watcher>();
  readonly bounds: WatchBounds;
  #fires = 0;
  #count = 0;
  #pathBytes = 0;

  constructor(bounds: Partial<WatchBounds> = {}) {
    this.bounds = { ...WATCH_BOUNDS, ...bounds };
  }

  get size(): number {
    return this.#index.size;
  }

  /** @returns how to remove it, or undefined: there are too many. */
  add(watcher: Watcher): (() => void) | undefined {
    const bytes = pathBytes(watcher.path);
    if (this.#count >= this.bounds.watchesAllMax || this.#pathBytes + bytes > this.bounds.pathBytesAllMax) return undefined;
    this.#count++;
    this.#pathBytes += bytes;
    const removals = INDEXED[watcher.kind].map((kind) => this.#index.add(watcher.path, kind, watcher));
    return () => {
      this.#count--;
      this.#pathBytes -= bytes;
      for (const remove of removals) remove();
    };
  }

  /**
   * Tells who watches, each connection once per change and path. Who may not read a node is not told that it was made, set or removed, nor of its
   * children, however the watch was set (ZooKeeper since 3.8.4, CVE-2024-23944); a watch that is not told of a change did not fire.
   */
  tell(events: readonly TreeEvent[], state: TreeState): void {
    if (this.#index.size === 0) return;
    for (const event of events) {
      const found = this.#index.matching(event);
      if (found.length === 0) continue;
      const closed = isFeitians(event.path);
      const fire = ++this.#fires;
      const packets = new Map<number, Buffer>();
      // The node's own watchers first, then those of its parent's children.
      for (const aboutParent of [false, true]) {
        for (const { kind, watcher } of found) {
          if ((kind === 'children' && watcher.path !== event.path) !== aboutParent) continue;
          if (closed && (!aboutParent || isFeitians(parentPath(event.path)))) continue;
          const acl = aboutParent ? nodeAt(state, parentPath(event.path))?.acl : event.acl;
          if (acl && !gives(acl, PERMISSIONS.read, watcher.owner.connection.identities)) continue;
          const type = aboutParent ? EVENTS.children : EVENTS[event.kind];
          let packet = packets.get(type);
          if (!packet) packets.set(type, (packet = notificationOf(type, aboutParent ? parentPath(event.path) : event.path)));
          if (ONE_SHOT.has(watcher.kind)) watcher.owner.remove(watcher.kind, watcher.path);
          // A node that goes is told once to who watches both it and its children.
          const told = aboutParent ? 'toldParent' : 'told';
          if (watcher.owner[told] === fire) continue;
          watcher.owner[told] = fire;
          watcher.owner.connection.notify(packet);
        }
      }
    }
  }
}

/** The watches of one connection: one of each kind per path. */
export class ConnectionWatches {
  readonly connection: Notified;
  /** The change that it was told of last, as that of a node and as that of a parent. */
  told = 0;
  toldParent = 0;
  readonly #door: DoorWatches;
  readonly #removals = new Map<string, () => void>();
  #pathBytes = 0;

  constructor(door: DoorWatches, connection: Notified) {
    this.#door = door;
    this.connection = connection;
  }

  get size(): number {
    return this.#removals.size;
  }

  /** @returns false: there are too many, and it is not there. */
  add(kind: ZkWatchKind, path: string): boolean {
    const key = kind + path;
    if (this.#removals.has(key)) return true;
    const { watchesMax, pathBytesMax } = this.#door.bounds;
    const bytes = pathBytes(path);
    if (this.size >= watchesMax || this.#pathBytes + bytes > pathBytesMax) return false;
    const remove = this.#door.add({ owner: this, kind, path });
    if (!remove) return false;
    this.#removals.set(key, remove);
    this.#pathBytes += bytes;
    return true;
  }

  has(kind: ZkWatchKind, path: string): boolean {
    return this.#removals.has(kind + path);
  }

  /** @returns whether there was one. */
  remove(kind: ZkWatchKind, path: string): boolean {
    const key = kind + path;
    const remove = this.#removals.get(key);
    if (!remove) return false;
    remove();
    this.#pathBytes -= pathBytes(path);
    return this.#removals.delete(key);
  }

  clear(): void {
    for (const remove of this.#removals.values()) remove();
    this.#removals.clear();
    this.#pathBytes = 0;
  }
}

/** As V8 keeps it: a byte for each character, or two where some are beyond Latin-1. Taken for two. */
function pathBytes(path: string): number {
  return 2 * path.length;
}

/** The packet that tells of a change. */
export function notificationOf(type: number, path: string): Buffer {
  const writer = new Writer();
  writeNotification(writer, type, path);
  return Buffer.concat(writer.take());
}
