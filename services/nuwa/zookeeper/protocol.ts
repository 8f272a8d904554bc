import type { Acl, NodeStat, NuwaCode } from '../contract.ts';
import type { Refused } from '../core/tree/command.ts';
import type { Reader, Writer } from './wire.ts';

/** Numbers of ZooKeeper 3.8's protocol: `ZooDefs.OpCode`, `KeeperException.Code`, `Watcher.Event.EventType`, `CreateMode`. */
export const OPS = {
  create: 1,
  delete: 2,
  exists: 3,
  getData: 4,
  setData: 5,
  getAcl: 6,
  setAcl: 7,
  getChildren: 8,
  sync: 9,
  ping: 11,
  getChildren2: 12,
  check: 13,
  multi: 14,
  create2: 15,
  checkWatches: 17,
  removeWatches: 18,
  createContainer: 19,
  createTtl: 21,
  multiRead: 22,
  auth: 100,
  setWatches: 101,
  getEphemerals: 103,
  getAllChildrenNumber: 104,
  setWatches2: 105,
  addWatch: 106,
  whoAmI: 107,
  closeSession: -11,
  error: -1,
} as const;

export const ERRORS = {
  ok: 0,
  runtimeInconsistency: -2,
  marshalling: -5,
  unimplemented: -6,
  badArguments: -8,
  noNode: -101,
  noAuth: -102,
  badVersion: -103,
  noChildrenForEphemerals: -108,
  nodeExists: -110,
  notEmpty: -111,
  sessionExpired: -112,
  invalidAcl: -114,
  authFailed: -115,
  sessionMoved: -118,
  noWatcher: -121,
  quotaExceeded: -125,
} as const;

const ERROR_OF: Partial<Record<NuwaCode, number>> = {
  NoNode: ERRORS.noNode,
  NodeExists: ERRORS.nodeExists,
  NotEmpty: ERRORS.notEmpty,
  BadVersion: ERRORS.badVersion,
  BadPath: ERRORS.badArguments,
  ValueTooLarge: ERRORS.badArguments,
  BadArguments: ERRORS.badArguments,
  NoSession: ERRORS.sessionExpired,
  SessionMoved: ERRORS.sessionMoved,
  EphemeralChild: ERRORS.noChildrenForEphemerals,
  InvalidAcl: ERRORS.invalidAcl,
  NoAuth: ERRORS.noAuth,
};

export function errorOf({ code, found }: Refused): number {
  return ERROR_OF[found ?? code] ?? ERRORS.runtimeInconsistency;
}

export const EVENTS = { created: 1, deleted: 2, changed: 3, children: 4 } as const;
const SYNC_CONNECTED = 3;
export const XIDS = { notification: -1, ping: -2, auth: -4, setWatches: -8 } as const;

/** What `CreateMode` says, by number. */
export const MODES: readonly { ephemeral?: boolean; sequential?: boolean; container?: boolean; ttl?: boolean }[] = [
  {},
  { ephemeral: true },
  { sequential: true },
  { ephemeral: true, sequential: true },
  { container: true },
  { ttl: true },
  { sequential: true, ttl: true },
];

export function replyHeader(writer: Writer, xid: number, zxid: number, error: number): void {
  writer.int(xid);
  writer.long(zxid);
  writer.int(error);
}

export function writeStat(writer: Writer, stat: NodeStat): void {
  writer.long(stat.createRevision);
  writer.long(stat.modifyRevision);
  writer.long(stat.createdAtMs);
  writer.long(stat.modifiedAtMs);
  writer.int(stat.version);
  writer.int(stat.childVersion);
  writer.int(stat.aclVersion);
  writer.longHex(stat.ephemeralOwner === undefined ? NOBODY : ownerHex(stat.ephemeralOwner));
  writer.int(stat.valueBytes);
  writer.int(stat.childCount);
  writer.long(stat.childRevision);
}

export function writeNotification(writer: Writer, type: number, path: string): void {
  writer.begin();
  replyHeader(writer, XIDS.notification, -1, ERRORS.ok);
  writer.int(type);
  writer.int(SYNC_CONNECTED);
  writer.string(path);
  writer.end();
}

export function readAcl(reader: Reader): Acl {
  return reader.vector(() => ({ permissions: reader.int(), scheme: reader.string(), id: reader.string() }));
}

export function writeAcl(writer: Writer, acl: Acl): void {
  writer.vector(acl, ({ permissions, scheme, id }) => {
    writer.int(permissions);
    writer.string(scheme);
    writer.string(id);
  });
}

// ---- sessions have numbers here, and names in the tree ----

const NOBODY = '0000000000000000';
const PREFIX = 'zk-';

export function sessionOf(hex: string): string {
  return PREFIX + hex;
}

/** The number of a session: of one that came through this door the one it has; of any other a hash of its name that is never 0 nor negative. */
export function ownerHex(session: string): string {
  if (session.startsWith(PREFIX) && session.length === PREFIX.length + 16) return session.slice(PREFIX.length);
  // FNV-1a, twice with different beginnings (Fowler, Noll, Vo).
  let high = 0x811c9dc5;
  let low = 0x01234567;
  for (let i = 0; i < session.length; i++) {
    high = Math.imul(high ^ session.charCodeAt(i), 0x01000193);
    low = Math.imul(low ^ session.charCodeAt(i), 0x01000193);
  }
  return ((high >>> 1) | 0x4000_0000).toString(16).padStart(8, '0') + (low >>> 0).toString(16).padStart(8, '0');
}
