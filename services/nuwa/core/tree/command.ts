import type { NuwaCode, NuwaEvent } from '../../contract.ts';

/**
 * What the log holds. A command carries all that it needs, its time included (`At`), so that every server that applies the
 * same log comes to the same tree.
 */
export type Command = OpenSession | CloseSession | Write;

export interface OpenSession {
  kind: 'openSession';
  /** Chosen by the client at random, so that opening it twice is opening it once. */
  session: string;
  ttlMs: number;
  creator: string;
}

export interface CloseSession {
  kind: 'closeSession';
  session: string;
  why: 'closed' | 'expired';
}

/** A change of nodes, made once however often it comes: `session` and `request` name it. */
export type Write = RequestId & (Create | SetValue | Delete);

export interface RequestId {
  session: string;
  /** Grows by one with each request of the session. */
  request: number;
  /** The client has the replies to all requests below this number. */
  settled: number;
}

export interface Create {
  kind: 'create';
  path: string;
  value: Uint8Array;
  ephemeral?: boolean;
  sequential?: boolean;
  parents?: boolean;
  /** Where an ephemeral node stands, of whatever session, it goes first: how a process takes over its predecessor's name. */
  replace?: boolean;
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
}

export interface Delete extends Guard {
  kind: 'delete';
  path: string;
  recursive?: boolean;
}

/** Where in the log a command stands, and the wall clock of the server that put it there. */
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
  /** Of `set`: the node's version now. */
  version?: number;
}

export interface Refused {
  kind: 'refused';
  code: NuwaCode;
  reason: string;
}

export interface Applied {
  reply: Reply;
  /** One per revision, in order. */
  events: NuwaEvent[];
}

export function refused(code: NuwaCode, reason: string): Applied {
  return { reply: { kind: 'refused', code, reason }, events: [] };
}
