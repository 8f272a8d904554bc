import { z } from 'zod';
import { FeitianError } from '../base/errors.ts';
import { defineService, method } from '../kuafu/contract.ts';
import { wholeOf } from '../kuafu/resource-contract.ts';
import { newNodeResource, operationResources, pathResource, ZHONGKUI_PATH } from './core/tree/resources.ts';

// One front door: the client's own words stand in a file of their own for their length only.
export type * from './client-contract.ts';

/**
 * Nuwa's public words: the node model, the client interface and the errors.
 *
 * Revision: every change of the tree has one, a positive integer that grows by one per change; the whole tree's history
 * is the sequence of its revisions. Version: how often one node's value was set, 0 at creation.
 * Paths are absolute, `/a/b`: segments of 1 to 255 bytes, neither `.` nor `..`, without `/`, control characters and characters beyond U+FFFF.
 */
export const VALUE_BYTES_MAX = 1_048_576;
export const SEGMENT_BYTES_MAX = 255;
export const PATH_BYTES_MAX = 4_096;

export const NUWA_CODES = [
  'NoNode',
  'NodeExists',
  'NotEmpty',
  'BadVersion',
  'BadPath',
  'ValueTooLarge',
  'NoSession', // the session is unknown or expired: its ephemerals are gone
  'EphemeralChild', // an ephemeral node has no children
  'Compacted', // the revision asked for is no longer kept (details.oldestRevision), or is none of this group's (details.revision: where it is)
  'Unwritable', // this server can no longer write its log; what it was asked last may still be found done after its restart
  'StaleRequest', // a late copy of a request whose reply the client has: nobody waits for this
  'Conflict', // a check of a transaction did not hold; details.operation says which, counted from 0
  'BadArguments', // options that do not go together, such as ephemeral with a TTL
  'InvalidAcl', // an empty ACL, or one that names a scheme or an identity that is none
  'NoAuth', // the node's ACL does not allow it to the identities shown
  'SessionMoved', // the session is on another connection by now
  'BadPassword', // a session was asked for with a password that is not its own
  'NotLeader', // only the leader does this; details.leader and details.address, where one is known
  'BadMembers', // a change of the group that cannot be made now; the reason says why
  'NotHeld', // a lock, a leadership or a place at a barrier that this client does not hold (any more)
] as const;
export type NuwaCode = (typeof NUWA_CODES)[number];

export class NuwaError extends FeitianError<NuwaCode> {
  static readonly codes = NUWA_CODES;
}

/**
 * Changes that a watcher did not see yet are no longer kept. What it would have seen, as it stands now, is here instead: the node that is watched
 * (none when it is not there) and, for a recursive watch, all below it.
 */
export class CompactedError extends NuwaError {
  readonly snapshot: NodesSnapshot;

  constructor(message: string, snapshot: NodesSnapshot, options: { cause?: unknown; details?: Record<string, unknown> } = {}) {
    super('Compacted', message, options);
    this.snapshot = snapshot;
  }
}

/**
 * Nodes as they are, read in several calls: at `revision` or later, up to `readTo`. A watch from `revision` on misses nothing; of a node that is here
 * it may tell changes again up to the node's `modifyRevision`.
 */
export interface NodesSnapshot {
  /** Parents before children. */
  readonly nodes: NuwaNode[];
  readonly revision: number;
  readonly readTo: number;
}

const bytes: z.ZodType<Uint8Array> = z.instanceof(Uint8Array);

export const nuwaNodeSchema = z.object({
  path: z.string(),
  value: bytes,
  version: z.number().int(),
  createRevision: z.number().int(),
  modifyRevision: z.number().int(),
  createdAtMs: z.number(),
  modifiedAtMs: z.number(),
  creator: z.string(),
  /** Session that owns it; the node goes when the session does. */
  ephemeralOwner: z.string().optional(),
  /** Goes by itself when it was not set for this long and has no children. */
  ttlMs: z.number().int().optional(),
  /** Goes by itself some time after its last child went. */
  container: z.boolean().optional(),
  childCount: z.number().int(),
});
export type NuwaNode = z.infer<typeof nuwaNodeSchema>;

export const nuwaEventSchema = z.object({
  kind: z.enum(['created', 'changed', 'deleted']),
  path: z.string(),
  revision: z.number().int(),
  /** The new value; absent for `deleted`. */
  value: bytes.optional(),
});
export type NuwaEvent = z.infer<typeof nuwaEventSchema>;

/** All that there is to know of a node but its value and creator; what ZooKeeper calls Stat. */
export interface NodeStat {
  createRevision: number;
  modifyRevision: number;
  createdAtMs: number;
  modifiedAtMs: number;
  version: number;
  /** How often a child was made or removed, and the revision at which that happened last (or at which the node was made). */
  childVersion: number;
  childRevision: number;
  aclVersion: number;
  ephemeralOwner: string | undefined;
  valueBytes: number;
  childCount: number;
}

/** Bits of AclEntry.permissions. */
export const PERMISSIONS = { read: 1, write: 2, create: 4, delete: 8, admin: 16, all: 31 } as const;
export interface AclEntry {
  permissions: number;
  /** `world` (id `anyone`) or `digest` (id `user:base64(sha1(user:password))`), as ZooKeeper has them. */
  scheme: string;
  id: string;
}
export type Acl = readonly AclEntry[];
/** The ACL of a node that was given none. */
export const OPEN_ACL: Acl = [{ permissions: PERMISSIONS.all, scheme: 'world', id: 'anyone' }];

/** What an instance tells about itself; JSON in the value of `/services/<service>/<instance>`. */
export const serviceInfoSchema = z.object({
  /** Kuafu address, `tcp://host:port`. */
  address: z.string(),
  node: z.string().optional(),
  rack: z.string().optional(),
  pid: z.number().int().optional(),
  /** Figures of the service's own, such as free disk bytes. */
  attributes: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
});
export type ServiceInfo = z.input<typeof serviceInfoSchema>;
export type RegisteredService = z.output<typeof serviceInfoSchema> & { service: string; instance: string };

export const SERVICES_PATH = '/services';
/** All that Feitian's own services keep in the tree; the ZooKeeper door, which knows no keys, touches none of it (zookeeper/feitian-nodes.ts). */
export const FEITIAN_PATHS = ['/dayu', '/fuxi', '/nodes', '/pangu', SERVICES_PATH, ZHONGKUI_PATH] as const;
export const SESSION_TTL_MS_DEFAULT = 5_000;
export const SESSION_TTL_MS_MIN = 100;
export const SESSION_TTL_MS_MAX = 600_000;
/** A session's requests are numbered; none is sent that is this far ahead of the lowest one without a reply. */
export const REQUESTS_AHEAD_MAX = 512;
/** Longest that a poll waits for a change. Shorter costs calls; longer makes a lost connection matter longer. */
export const POLL_WAIT_MS_MAX = 20_000;

/** Operations of one transaction. */
export const TRANSACTION_OPERATIONS_MAX = 1_000;
/** Bytes of all values of one transaction. */
export const TRANSACTION_BYTES_MAX = 2 * VALUE_BYTES_MAX;

const sessionId = z.string().min(1).max(128);
const revision = z.number().int().nonnegative();

/** Names a change, so that it is made once however often it arrives. */
const requestId = { session: sessionId, request: z.number().int().positive(), settled: z.number().int().nonnegative() };
/** The node that was seen, by its value's version or by the revision that made it. Errors: BadVersion. */
const guard = { version: z.number().int().optional(), createRevision: z.number().int().optional() };

const createOptions = {
  ephemeral: z.boolean().optional(),
  sequential: z.boolean().optional(),
  parents: z.boolean().optional(),
  /** An ephemeral node that stands there goes first, in the same step. */
  replace: z.boolean().optional(),
  container: z.boolean().optional(),
  ttlMs: z.number().int().positive().optional(),
};
const stale = z.boolean().optional();

export const operationSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('create'), path: z.string(), value: bytes, ...createOptions }),
  z.object({ kind: z.literal('set'), ...guard, path: z.string(), value: bytes }),
  z.object({ kind: z.literal('delete'), ...guard, path: z.string(), recursive: z.boolean().optional() }),
  z.object({ kind: z.literal('check'), ...guard, path: z.string(), absent: z.boolean().optional() }),
]);

const memberSchema = z.object({ id: z.string(), address: z.string(), role: z.enum(['voter', 'learner']) });

/** How one server stands. */
export const serverStatusSchema = z.object({
  id: z.string(),
  role: z.enum(['follower', 'preCandidate', 'candidate', 'leader']),
  term: z.number().int(),
  /** Whom it follows; absent while it knows of none. */
  leader: z.string().optional(),
  lastIndex: z.number().int(),
  commitIndex: z.number().int(),
  appliedIndex: z.number().int(),
  snapshotIndex: z.number().int(),
  revision,
  sessions: z.number().int(),
  watches: z.number().int(),
  nodes: z.number().int(),
  logBytes: z.number().int(),
  /** False when it can no longer write its log. */
  writable: z.boolean(),
  /**
   * That it has no part in the group, or not all of it: `waiting` for all of a new group to be there, `refused` for good, `voteless` where its group takes it for a voter whose
   * files it does not have. Absent: nothing of this.
   */
  part: z.enum(['waiting', 'refused', 'voteless']).optional(),
  /** What is wrong with it, for people; none: all is well as far as it knows. */
  problems: z.array(z.string()).default([]),
  members: z.array(memberSchema),
  /** Of a leader: how far each other member is known to be. */
  progress: z.array(
    z.object({ id: z.string(), matchIndex: z.number().int(), state: z.enum(['probe', 'replicate', 'snapshot']), active: z.boolean() }),
  ),
  /** Where it speaks ZooKeeper, `host:port`, if it does. */
  zookeeper: z.string().optional(),
  uptimeMs: z.number(),
});
export type ServerStatus = z.infer<typeof serverStatusSchema>;

const READ_PATH = { operation: 'read', on: pathResource } as const;
const WRITE_PATH = { operation: 'write', on: pathResource } as const;
const ADMIN = { operation: 'admin', on: wholeOf('nuwa') } as const;

/** Nuwa over Kuafu. All methods may be sent again: reads change nothing, and changes carry their request's number. */
export const nuwaService = defineService('nuwa', {
  errors: NuwaError,
  methods: {
    /** Opens the session of this id, or finds it open. */
    openSession: method({
      request: z.object({
        session: sessionId,
        ttlMs: z.number().int().min(SESSION_TTL_MS_MIN).max(SESSION_TTL_MS_MAX),
        creator: z.string().max(255),
      }),
      response: z.object({ revision }),
      idempotent: true,
      access: 'identified',
    }),
    /** The session gets its whole TTL again. Errors: NoSession. */
    keepAlive: method({
      request: z.object({ session: sessionId }),
      response: z.object({ revision }),
      idempotent: true,
      access: 'identified',
    }),
    closeSession: method({
      request: z.object({ session: sessionId }),
      response: z.object({ revision }),
      idempotent: true,
      access: 'identified',
    }),
    create: method({
      request: z.object({
        ...requestId,
        path: z.string(),
        value: bytes,
        ...createOptions,
      }),
      response: z.object({ path: z.string(), revision }),
      idempotent: true,
      access: { operation: 'write', on: newNodeResource },
    }),
    set: method({
      request: z.object({ ...requestId, ...guard, path: z.string(), value: bytes }),
      response: z.object({ version: z.number().int(), revision }),
      idempotent: true,
      access: WRITE_PATH,
    }),
    delete: method({
      request: z.object({ ...requestId, ...guard, path: z.string(), recursive: z.boolean().optional() }),
      response: z.object({ revision }),
      idempotent: true,
      access: WRITE_PATH,
    }),
    transact: method({
      request: z.object({ ...requestId, operations: z.array(operationSchema).min(1).max(TRANSACTION_OPERATIONS_MAX) }),
      response: z.object({
        revision,
        results: z.array(z.object({ path: z.string().optional(), version: z.number().int().optional() })),
      }),
      idempotent: true,
      access: { operation: 'write', on: ({ operations }, cluster) => operationResources(operations, cluster) },
    }),
    get: method({
      request: z.object({ path: z.string(), stale }),
      response: z.object({ node: nuwaNodeSchema, revision }),
      idempotent: true,
      access: READ_PATH,
    }),
    /** A page of children by name; `after` is the `next` of the page before. NoNode tells the revision in details.revision. */
    list: method({
      request: z.object({ path: z.string(), after: z.string().optional(), limit: z.number().int().positive().optional(), stale }),
      response: z.object({ children: z.array(nuwaNodeSchema), next: z.string().optional(), revision }),
      idempotent: true,
      access: READ_PATH,
    }),
    /**
     * Changes after `afterRevision` under the path, as soon as there is one, or none after `waitMs`; resume from the reply's
     * revision. Without `afterRevision`: replies at once with the revision of now. Errors: Compacted, BadPath.
     */
    poll: method({
      request: z.object({
        path: z.string(),
        recursive: z.boolean(),
        afterRevision: revision.optional(),
        waitMs: z.number().nonnegative().max(POLL_WAIT_MS_MAX),
      }),
      response: z.object({ events: z.array(nuwaEventSchema), revision }),
      idempotent: true,
      access: READ_PATH,
    }),
    /** Of the server that is asked. */
    status: method({ request: z.object({}), response: serverStatusSchema, idempotent: true, access: 'identified' }),
    /** One change of the group at a time; returns when it is committed. Made already is done. Errors: NotLeader, BadMembers. */
    changeMembers: method({
      request: z.object({
        kind: z.enum(['add', 'promote', 'remove', 'move']),
        id: z.string().min(1).max(64),
        /** Of `add` and `move`. */
        address: z.string().optional(),
      }),
      response: z.object({ members: z.array(memberSchema) }),
      idempotent: true,
      access: ADMIN,
    }),
    /** The leader hands over. Errors: NotLeader, BadMembers. */
    transferLeadership: method({
      request: z.object({ to: z.string() }),
      response: z.object({ leader: z.string() }),
      idempotent: true,
      access: ADMIN,
    }),
    /**
     * The newest snapshot on this server's disk; with `fresh`, one of all that is applied now. Read it by `readSnapshot` soon: the next one
     * takes its place a minute after. `index` 0: there is none.
     */
    snapshot: method({
      request: z.object({ fresh: z.boolean().optional() }),
      response: z.object({ index: z.number().int(), term: z.number().int(), bytes: z.number().int() }),
      idempotent: true,
      access: ADMIN,
    }),
    /** A piece of that file, shorter only at its end. Errors: Compacted when it is gone. */
    readSnapshot: method({
      request: z.object({
        index: z.number().int(),
        offset: z.number().int().nonnegative(),
        bytes: z
          .number()
          .int()
          .positive()
          .max(4 * 1024 * 1024),
      }),
      response: z.object({ bytes: z.number().int() }),
      replyAttachment: true,
      idempotent: true,
      access: ADMIN,
    }),
  },
});
