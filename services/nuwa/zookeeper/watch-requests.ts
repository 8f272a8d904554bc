import { parsePath } from '../core/tree/path.ts';
import { isFeitians } from './feitian-nodes.ts';
import { ERRORS, OPS } from './protocol.ts';
import { type Look, readSetWatches } from './reads.ts';
import type { ZkWatchKind } from './watches.ts';
import type { Reader } from './wire.ts';

/** `AddWatchMode`, and `Watcher.WatcherType` with what each of them takes away. */
const ADDED_KINDS: readonly ZkWatchKind[] = ['persistent', 'recursive'];
const REMOVED_KINDS: Readonly<Record<number, readonly ZkWatchKind[]>> = {
  1: ['child'],
  2: ['data', 'exist'],
  3: ['data', 'exist', 'child', 'persistent', 'recursive'],
  4: ['persistent'],
  5: ['recursive'],
};

/** Requests about the connection's own watches and about who it is; undefined: no such one. */
export function readWatchRequest(op: number, reader: Reader): Look | undefined {
  switch (op) {
    case OPS.setWatches:
    case OPS.setWatches2:
      return readSetWatches(op, reader);
    case OPS.addWatch: {
      const path = reader.string();
      const kind = ADDED_KINDS[reader.int()];
      return ({ watches }) => {
        if (!kind) return ERRORS.marshalling;
        if (parsePath(path).problem) return ERRORS.badArguments;
        if (isFeitians(path)) return ERRORS.noAuth;
        if (!watches.add(kind, path)) return ERRORS.quotaExceeded;
        return (writer) => writer.int(ERRORS.ok);
      };
    }
    case OPS.checkWatches:
    case OPS.removeWatches: {
      const path = reader.string();
      const kinds = REMOVED_KINDS[reader.int()] ?? [];
      return ({ watches }) => {
        let found = false;
        for (const kind of kinds) found = (op === OPS.checkWatches ? watches.has(kind, path) : watches.remove(kind, path)) || found;
        return found ? () => {} : ERRORS.noWatcher;
      };
    }
    case OPS.whoAmI:
      return ({ identities, from }) => {
        const shown = [...identities.filter((identity) => !identity.startsWith('world:')), `ip:${from}`];
        return (writer) =>
          writer.vector(shown, (identity) => {
            const [scheme = '', user = ''] = identity.split(':', 2);
            writer.string(scheme);
            writer.string(user);
          });
      };
    default:
      return undefined;
  }
}
