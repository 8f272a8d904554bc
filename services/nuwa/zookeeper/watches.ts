import type { NuwaEvent } from '../contract.ts';
import { parentPath } from '../core/tree/path.ts';
import { WatchIndex, type WatchKind } from '../core/watch-index.ts';
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

/** A connection, as its watches see it. */
export interface Notified {
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
  #fires = 0;

  get size(): number {
    return this.#index.size;
  }

  add(watcher: Watcher): () => void {
    const removals = INDEXED[watcher.kind].map((kind) => this.#index.add(watcher.path, kind, watcher));
    return () => {
      for (const remove of removals) remove();
    };
  }

  /** Tells who watches, each connection once per change and path. */
  tell(events: readonly NuwaEvent[]): void {
    if (this.#index.size === 0) return;
    for (const event of events) {
      const found = this.#index.matching(event);
      if (found.length === 0) continue;
      const fire = ++this.#fires;
      const packets = new Map<number, Buffer>();
      // The node's own watchers first, then those of its parent's children.
      for (const aboutParent of [false, true]) {
        for (const { kind, watcher } of found) {
          if ((kind === 'children' && watcher.path !== event.path) !== aboutParent) continue;
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

  constructor(door: DoorWatches, connection: Notified) {
    this.#door = door;
    this.connection = connection;
  }

  get size(): number {
    return this.#removals.size;
  }

  add(kind: ZkWatchKind, path: string): void {
    const key = kind + path;
    if (this.#removals.has(key)) return;
    this.#removals.set(key, this.#door.add({ owner: this, kind, path }));
  }

  has(kind: ZkWatchKind, path: string): boolean {
    return this.#removals.has(kind + path);
  }

  /** @returns whether there was one. */
  remove(kind: ZkWatchKind, path: string): boolean {
    const key = kind + path;
    this.#removals.get(key)?.();
    return this.#removals.delete(key);
  }

  clear(): void {
    for (const remove of this.#removals.values()) remove();
    this.#removals.clear();
  }
}

/** The packet that tells of a change. */
export function notificationOf(type: number, path: string): Buffer {
  const writer = new Writer();
  writeNotification(writer, type, path);
  return Buffer.concat(writer.take());
}
