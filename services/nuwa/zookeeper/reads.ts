import { type Acl, PERMISSIONS } from '../contract.ts';
import { allows } from '../core/tree/acl.ts';
import type { TreeNode } from '../core/tree/node.ts';
import { parsePath } from '../core/tree/path.ts';
import type { TreeState } from '../core/tree/state.ts';
import { multiHeader } from './changes.ts';
import { isFeitians } from './feitian-nodes.ts';
import { ERRORS, EVENTS, OPS, sessionOf, writeAcl, writeStat } from './protocol.ts';
import { seenAt, seenBelow, seenNames, seenStat } from './system-nodes.ts';
import { type ConnectionWatches, notificationOf, WatchesFull, type ZkWatchKind } from './watches.ts';
import { Malformed, type Reader, type Writer } from './wire.ts';

/** When the answer to several reads has come to this, the rest of them are refused. */
const READ_MANY_BYTES_MAX = 16 * 1024 * 1024;

/** What a read looks at and for whom. */
export interface Looking {
  state: TreeState;
  identities: readonly string[];
  watches: ConnectionWatches;
  sessionHex: string;
  /** Where the client is. */
  from: string;
}

/** Looks at the tree, sets the watches that it asks for, and gives the error, or how the body of the reply is written. */
export type Look = (looking: Looking) => number | ((writer: Writer) => void);

/** A request that changes nothing; undefined: no such one. Read at once, looked at when its turn comes. */
export function readLook(op: number, reader: Reader): Look | undefined {
  switch (op) {
    case OPS.exists: {
      const path = reader.string();
      return lookExists(path, reader.bool());
    }
    case OPS.getData: {
      const path = reader.string();
      return lookData(path, reader.bool());
    }
    case OPS.getChildren:
    case OPS.getChildren2: {
      const path = reader.string();
      return lookChildren(path, reader.bool(), op === OPS.getChildren2);
    }
    case OPS.getAcl: {
      const path = reader.string();
      return ({ state, identities }) =>
        withNode(state, path, (node) => {
          if (!allows(node, PERMISSIONS.read, identities) && !allows(node, PERMISSIONS.admin, identities)) return ERRORS.noAuth;
          const mayChange = allows(node, PERMISSIONS.admin, identities);
          return (writer) => {
            writeAcl(writer, mayChange ? node.acl : withoutSecrets(node.acl));
            writeStat(writer, seenStat(path, node));
          };
        });
    }
    case OPS.sync: {
      const path = reader.string();
      return () => (writer) => writer.string(path);
    }
    case OPS.multiRead:
      return lookMany(reader);
    case OPS.getAllChildrenNumber: {
      const path = reader.string();
      return ({ state, identities }) =>
        withNode(state, path, (node) => {
          if (!allows(node, PERMISSIONS.read, identities)) return ERRORS.noAuth;
          const count = seenBelow(path, node);
          return (writer) => writer.int(count);
        });
    }
    case OPS.getEphemerals: {
      const prefix = reader.string();
      return ({ state, sessionHex }) => {
        const paths = [...(state.sessions.get(sessionOf(sessionHex))?.ephemerals ?? [])].filter((path) => path.startsWith(prefix)).sort();
        return (writer) => writer.vector(paths, (path) => writer.string(path));
      };
    }
    default:
      return undefined;
  }
}

function lookExists(path: string, watch: boolean): Look {
  return ({ state, watches }) => {
    if (isFeitians(path)) return ERRORS.noAuth;
    const node = seenAt(state, path);
    if (!node && parsePath(path).problem) return ERRORS.badArguments;
    if (watch && !watches.add(node ? 'data' : 'exist', path)) return ERRORS.quotaExceeded;
    return node ? (writer) => writeStat(writer, seenStat(path, node)) : ERRORS.noNode;
  };
}

function lookData(path: string, watch: boolean): Look {
  return ({ state, identities, watches }) =>
    withNode(state, path, (node) => {
      if (!allows(node, PERMISSIONS.read, identities)) return ERRORS.noAuth;
      if (watch && !watches.add('data', path)) return ERRORS.quotaExceeded;
      return (writer) => {
        if (node.hasValue) writer.buffer(node.value);
        else writer.noBuffer();
        writeStat(writer, seenStat(path, node));
      };
    });
}

function lookChildren(path: string, watch: boolean, withStat: boolean): Look {
  return ({ state, identities, watches }) =>
    withNode(state, path, (node) => {
      if (!allows(node, PERMISSIONS.read, identities)) return ERRORS.noAuth;
      if (watch && !watches.add('child', path)) return ERRORS.quotaExceeded;
      return (writer) => {
        writer.vector(seenNames(path, node), (name) => writer.string(name));
        if (withStat) writeStat(writer, seenStat(path, node));
      };
    });
}

function lookMany(reader: Reader): Look {
  const parts: { op: number; look: Look }[] = [];
  for (;;) {
    const op = reader.int();
    const done = reader.bool();
    reader.int();
    if (done) break;
    const look = op === OPS.getData || op === OPS.getChildren ? readLook(op, reader) : undefined;
    if (!look) throw new Malformed(`operation ${op} among several reads`);
    parts.push({ op, look });
  }
  return (looking) => {
    const seen = parts.map(({ op, look }) => ({ op, result: look(looking) }));
    return (writer) => {
      const begin = writer.pending;
      for (const { op, result } of seen) {
        if (typeof result === 'number') writeReadError(writer, result);
        // The same large value may be asked for a hundred thousand times.
        else if (writer.pending - begin > READ_MANY_BYTES_MAX) writeReadError(writer, ERRORS.quotaExceeded);
        else {
          multiHeader(writer, op, false, 0);
          result(writer);
        }
      }
      multiHeader(writer, OPS.error, true, -1);
    };
  };
}

function writeReadError(writer: Writer, error: number): void {
  multiHeader(writer, OPS.error, false, error);
  writer.int(error);
}

/** Who may not change an ACL sees whom it names, and not the hashes of their passwords. */
function withoutSecrets(acl: Acl): Acl {
  return acl.map((entry) => (entry.scheme === 'digest' ? { ...entry, id: `${entry.id.split(':', 1)[0]}:x` } : entry));
}

function withNode<T>(state: TreeState, path: string, look: (node: TreeNode) => T): T | number {
  if (isFeitians(path)) return ERRORS.noAuth;
  const node = seenAt(state, path);
  if (node) return look(node);
  return parsePath(path).problem ? ERRORS.badArguments : ERRORS.noNode;
}

/**
 * A client is back, perhaps at another server, and names what it watched and the last change it saw (`setWatches`, `setWatches2`): what happened to
 * those nodes since is told at once, the other watches are set again.
 */
export function readSetWatches(op: number, reader: Reader): Look {
  const seenZxid = reader.long();
  const paths = (): string[] => reader.vector(() => reader.string());
  const data = paths();
  const exist = paths();
  const child = paths();
  const persistent = op === OPS.setWatches2 ? paths() : [];
  const recursive = op === OPS.setWatches2 ? paths() : [];
  return ({ state, watches }) => {
    const missed: [type: number, path: string][] = [];
    const set = (kind: ZkWatchKind, path: string): void => {
      if (parsePath(path).problem || isFeitians(path)) return;
      if (!watches.add(kind, path)) throw new WatchesFull('the watches of a client that is back are too many');
    };
    for (const path of data) {
      const node = seenAt(state, path);
      if (!node) missed.push([EVENTS.deleted, path]);
      else if (node.modifyRevision > seenZxid) missed.push([EVENTS.changed, path]);
      else set('data', path);
    }
    for (const path of exist) {
      if (seenAt(state, path)) missed.push([EVENTS.created, path]);
      else set('exist', path);
    }
    for (const path of child) {
      const node = seenAt(state, path);
      if (!node) missed.push([EVENTS.deleted, path]);
      else if (node.childRevision > seenZxid) missed.push([EVENTS.children, path]);
      else set('child', path);
    }
    for (const path of persistent) set('persistent', path);
    for (const path of recursive) set('recursive', path);
    for (const [type, path] of missed) if (!isFeitians(path)) watches.connection.notify(notificationOf(type, path));
    return () => {};
  };
}
