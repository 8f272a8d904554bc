import type { Acl, NodeStat, NuwaCode, NuwaEvent } from '../../contract.ts';

/**
 * What the log holds. A command carries all that it needs; its time comes from the log's entry (`At`). So every server that applies the
 * same log comes to the same tree.
 */
export type Command = OpenSession | CloseSession | Reap | Write;

export interface OpenSession {
  kind: 'openSession';
  /** Chosen by the client at random, so that opening it twice is opening it once. */
  session: string;
  ttlMs: number;
  creator: string;
  /** Of sessions that came through the ZooKeeper door: who shows it may take the session to another server. */
  password?: Uint8Array;
  /** Fingerprint of the key that opens it, where servers ask who calls: nobody else keeps it alive, ends it or changes anything in its name. */
  holder?: string;
  /** The connection that the session is on from now on: changes that came over an earlier one are refused. */
  connection?: number;
  /** Only if it is open still: its client is back. */
  again?: boolean;
}

export interface CloseSession {
  kind: 'closeSession';
  session: string;
  why: 'closed' | 'expired';
}

/** Removes a container that is empty or a node whose TTL is over, if it still is what the leader saw. */
export interface Reap {
  kind: 'reap';
  path: string;
  createRevision: number;
  /** Of the value, for TTL nodes. */
  modifyRevision: number;
}

/** A change of nodes, made once however often it comes: `session` and `request` name it. */
export type Write = RequestId & (Change | Transaction);

export type Change = Create | SetValue | Delete | SetAcl;

export interface RequestId {
  session: string;
  /** Grows by one with each request of the session. 0: not to be remembered, the client never sends it again. */
  request: number;
  /** The client has the replies to all requests below this number. */
  settled: number;
  /** Whom the caller showed itself to be at the ZooKeeper door, `scheme:id` each. Absent: a native caller, for whom ACLs are not asked. */
  identities?: string[];
  /** The connection it came over, of sessions that are on one at a time. */
  connection?: number;
  /** The reply is to carry the node's stat. */
  wantStat?: boolean;
}

export interface Create {
  kind: 'create';
  path: string;
  value: Uint8Array;
  /** It is given none, and `value` is empty. */
  noValue?: boolean;
  ephemeral?: boolean;
  sequential?: boolean;
  parents?: boolean;
  /** Where an ephemeral node stands, of whatever session, it goes first: how a process takes over its predecessor's name. */
  replace?: boolean;
  /** Goes by itself some time after its last child went; a new container may stay empty for a while. */
  container?: boolean;
  /** Goes by itself when it was not set for this long and has no children. */
  ttlMs?: number;
  acl?: Acl;
}

/** The node that was seen: its value (`version`), its life (`createRevision`), or either. */
export interface Guard {
  version?: number;
  createRevision?: number;
}

export interface SetValue extends Guard {
  kind: 'set';
  path: string;
  value: Uint8Array;
  /** As of `create`. */
  noValue?: boolean;
}

export interface Delete extends Guard {
  kind: 'delete';
  path: string;
  recursive?: boolean;
}

export interface SetAcl {
  kind: 'setAcl';
  path: string;
  acl: Acl;
  /** Of the ACL. */
  aclVersion?: number;
}

/** Holds when the node is there and fits the guard; with `absent`, when no node is there. */
export interface Check extends Guard {
  kind: 'check';
  path: string;
  absent?: boolean;
}

/** All of it or nothing; each operation sees what those before it did. Each change has a revision of its own, none between them. */
export interface Transaction {
  kind: 'transaction';
  operations: (Change | Check)[];
}

/** Where in the log a command stands, and the time of its entry. Several commands share an entry. */
export interface At {
  index: number;
  nowMs: number;
}

export type Reply = Done | Refused;

export interface Done {
  kind: 'done';
  /** The tree's revision once it was done. */
  revision: number;
  /** Of `create`: the path made. */
  path?: string;
  /** Of `set` and `setAcl`: the node's version (of its ACL) now. */
  version?: number;
  /** When asked for, of the node that was made or set, as it was right after. */
  stat?: NodeStat;
  /** Of a transaction, one per operation. */
  results?: { path?: string; version?: number; stat?: NodeStat }[];
}

export interface Refused {
  kind: 'refused';
  code: NuwaCode;
  reason: string;
  /** The tree's revision that refused it. */
  revision: number;
  /** Of a transaction: which operation did not hold, counted from 0. */
  operation?: number;
  /** Of a Conflict: what the check found instead. */
  found?: 'NoNode' | 'NodeExists' | 'BadVersion';
}

export interface Applied {
  reply: Reply;
  /** One per revision, in order. */
  events: NuwaEvent[];
}
