import type { NuwaEvent, NuwaNode, ServiceInfo } from './contract.ts';

/** What a process holds of Nuwa: sessions, the client's own interface, and the recipes that it has on top. */
export interface CreateOptions {
  /** Owned by this client's session. @default false */
  ephemeral?: boolean;
  /** Goes by itself when it was not set for this long and has no children; not with `ephemeral`. */
  ttlMs?: number;
  /** Goes by itself some time after its last child went; not with `ephemeral` or `ttlMs`. @default false */
  container?: boolean;
  /** The server appends a ten-digit counter that never repeats under this parent. @default false */
  sequential?: boolean;
  /** Make missing parents, with empty values. @default false */
  parents?: boolean;
}

export interface NuwaSession {
  readonly id: string;
  readonly ttlMs: number;
  /** `live`; `jeopardy`: no server answered for a third of the TTL; `expired`: ephemerals are gone, a new client is needed. */
  readonly state: 'live' | 'jeopardy' | 'expired';
  /** Called at each change of state. Returns how to stop listening. */
  onState(listener: (state: NuwaSession['state']) => void): () => void;
}

/** One step of a transaction; `check` changes nothing and must hold. Each step sees what those before it did. */
export type Operation =
  | ({ kind: 'create'; path: string; value: Uint8Array } & CreateOptions)
  | { kind: 'set'; path: string; value: Uint8Array; version?: number }
  | { kind: 'delete'; path: string; version?: number; recursive?: boolean }
  | { kind: 'check'; path: string; version?: number; createRevision?: number; absent?: boolean };

/** What `follow` tells: first all that is there, then what changes; and all again where changes were missed for good. */
export type Followed = { kind: 'snapshot'; nodes: NuwaNode[]; revision: number } | { kind: 'event'; event: NuwaEvent };

export interface ReadOptions {
  /** Answered by the next server out of what it knows, without asking the group: may be old, is cheaper. @default false */
  stale?: boolean;
}

/** Arguments of a wrong type are BadArguments at any method, told without asking a server. */
export interface NuwaClient {
  readonly session: NuwaSession;
  /** @returns the path made (with its counter when sequential) and the revision. Errors: NodeExists, NoNode (parent), BadPath, BadArguments, ValueTooLarge, EphemeralChild, NoSession. */
  create(path: string, value: Uint8Array, options?: CreateOptions): Promise<{ path: string; revision: number }>;
  /** Linearizable unless `stale`. Errors: NoNode, BadPath. */
  get(path: string, options?: ReadOptions): Promise<NuwaNode>;
  /** Sets the value; with `version` only if the node still has it. Errors: NoNode, BadVersion, ValueTooLarge. */
  set(path: string, value: Uint8Array, options?: { version?: number }): Promise<{ version: number; revision: number }>;
  /** Errors: NoNode, BadVersion, NotEmpty (unless `recursive`). */
  delete(path: string, options?: { version?: number; recursive?: boolean }): Promise<{ revision: number }>;
  /** All of it or nothing. Errors: those of its operations, and Conflict for a check; details.operation counts from 0. */
  transact(operations: readonly Operation[]): Promise<{ revision: number; results: { path?: string; version?: number }[] }>;
  /** Children with their values, by name, and the revision at which they were seen. Linearizable unless `stale`. Errors: NoNode. */
  list(path: string, options?: ReadOptions): Promise<{ children: NuwaNode[]; revision: number }>;
  /** One page of them, of at most `limit` children, from just after the name `after` on; `next` is absent on the last page. */
  listPage(
    path: string,
    options?: ReadOptions & { after?: string; limit?: number },
  ): Promise<{ children: NuwaNode[]; next?: string; revision: number }>;
  /**
   * Changes of `path` itself and, with `recursive`, of everything below it, in order, none missed, from just after
   * `afterRevision` (default: from now on) until `signal` aborts (the loop then ends without an error). Survives reconnection,
   * to any server. Errors: CompactedError (its `snapshot` is what to go on from): changes are no longer kept, or the group never came to `afterRevision`.
   */
  watch(path: string, options?: { recursive?: boolean; afterRevision?: number; signal?: AbortSignal }): AsyncIterable<NuwaEvent>;
  /** The next change, once. Rejects when `signal` aborts. */
  watchOnce(path: string, options?: { recursive?: boolean; afterRevision?: number; signal?: AbortSignal }): Promise<NuwaEvent>;
  /** A directory (the node and its children; with `recursive`, all below it), whole, and kept whole. A node that is not there has no nodes. */
  follow(path: string, options?: { recursive?: boolean; signal?: AbortSignal }): AsyncIterable<Followed>;
  /** Registers `nuwa://<cluster>/<service>/<instance>` for as long as this client lives; made again if the session expires. Errors: BadArguments. */
  register(service: string, instance: string, info: ServiceInfo): Promise<Registration>;
  /** An ephemeral node at a path of one's own, kept in the same way; missing parents are made. */
  present(path: string, value: Uint8Array): Promise<Presence>;
  /** Waits for the lock of this path and holds it until `release` or until the session is lost. Errors: NoSession, and the signal's reason. */
  lock(path: string, options?: LockOptions): Promise<HeldLock>;
  /** Runs for leader of this path; resolves when elected. */
  elect(path: string, value: Uint8Array, options?: { signal?: AbortSignal }): Promise<Leadership>;
  /** Who leads, and who next, until `signal` aborts; undefined while nobody does. */
  observe(path: string, options?: { signal?: AbortSignal }): AsyncIterable<{ value: Uint8Array; token: number } | undefined>;
  /** A place where `parties` wait for one another, to enter and again to leave. */
  barrier(path: string, parties: number): Barrier;
  /** The next number of this path: 1, 2, 3, …, each given to one caller. A number that its caller did not hear of is skipped. */
  sequence(path: string): { next(): Promise<number> };
  /** Ends the session (its ephemerals go at once) and the connections. */
  close(): Promise<void>;
}

export interface LockOptions {
  /** `shared` locks exclude only `exclusive` ones. @default exclusive */
  mode?: 'exclusive' | 'shared';
  /** Who holds it, for people. */
  holder?: string;
  signal?: AbortSignal;
}

export interface HeldLock {
  /**
   * Fencing token: grows with every grant of this path. What the lock protects refuses a token below the highest it saw: a holder that
   * stood still beyond its session's TTL believes for a while that it still holds the lock, and only the token tells.
   */
  readonly token: number;
  /** Aborts when the session is in jeopardy or expired, or when somebody removed the lock's node: stop what depends on the lock. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

export interface Leadership extends HeldLock {
  /** Errors: NotHeld. */
  setValue(value: Uint8Array): Promise<void>;
}

export interface Barrier {
  /** Resolves when all are there. */
  enter(options?: { signal?: AbortSignal }): Promise<void>;
  /** Resolves when all have left. */
  leave(options?: { signal?: AbortSignal }): Promise<void>;
}

export interface Registration {
  readonly path: string;
  update(info: ServiceInfo): Promise<void>;
  unregister(): Promise<void>;
}

export interface Presence {
  readonly path: string;
  /** The revision that made the node that stands there now for this client; undefined while none does, as far as is known. It grows with each session. */
  readonly token: number | undefined;
  unregister(): Promise<void>;
}
