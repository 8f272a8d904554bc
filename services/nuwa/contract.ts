import { z } from 'zod';
import { FeitianError } from '../base/errors.ts';
import { defineService, method } from '../kuafu/contract.ts';

/**
 * Nuwa's public words: the node model, the client interface and the errors.
 *
 * Revision: every change of the tree has one, a positive integer that grows by one per change; the whole tree's history
 * is the sequence of its revisions. Version: how often one node's value was set, 0 at creation.
 * Paths are absolute, `/a/b`: segments of 1 to 255 bytes without `/` and NUL, neither `.` nor `..`.
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
  'Compacted', // the revision asked for is no longer kept; details.oldestRevision
  'Unwritable', // this server can no longer write its log; what it was asked last may still be found done after its restart
  'StaleRequest', // a late copy of a request whose reply the client has: nobody waits for this
] as const;
export type NuwaCode = (typeof NUWA_CODES)[number];

export class NuwaError extends FeitianError<NuwaCode> {
  static readonly codes = NUWA_CODES;
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

export interface CreateOptions {
  /** Owned by this client's session. @default false */
  ephemeral?: boolean;
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

export interface NuwaClient {
  readonly session: NuwaSession;
  /** @returns the path made (with its counter when sequential) and the revision. Errors: NodeExists, NoNode (parent), BadPath, ValueTooLarge, EphemeralChild, NoSession. */
  create(path: string, value: Uint8Array, options?: CreateOptions): Promise<{ path: string; revision: number }>;
  /** Errors: NoNode, BadPath. */
  get(path: string): Promise<NuwaNode>;
  /** Sets the value; with `version` only if the node still has it. Errors: NoNode, BadVersion, ValueTooLarge. */
  set(path: string, value: Uint8Array, options?: { version?: number }): Promise<{ version: number; revision: number }>;
  /** Errors: NoNode, BadVersion, NotEmpty (unless `recursive`). */
  delete(path: string, options?: { version?: number; recursive?: boolean }): Promise<{ revision: number }>;
  /** Children with their values, by name, and the revision at which they were seen. Errors: NoNode. */
  list(path: string): Promise<{ children: NuwaNode[]; revision: number }>;
  /**
   * Changes of `path` itself and, with `recursive`, of everything below it, in order, none missed, from just after
   * `afterRevision` (default: from now on) until `signal` aborts (the loop then ends without an error). Survives reconnection.
   * Errors: Compacted (list again and resume from that revision).
   */
  watch(path: string, options?: { recursive?: boolean; afterRevision?: number; signal?: AbortSignal }): AsyncIterable<NuwaEvent>;
  /** Registers `nuwa://<cluster>/<service>/<instance>` for as long as this client lives; made again if the session expires. */
  register(service: string, instance: string, info: ServiceInfo): Promise<Registration>;
  /** Ends the session (its ephemerals go at once) and the connections. */
  close(): Promise<void>;
}

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

export interface Registration {
  readonly path: string;
  update(info: ServiceInfo): Promise<void>;
  unregister(): Promise<void>;
}

export const SERVICES_PATH = '/services';
export const SESSION_TTL_MS_DEFAULT = 5_000;
export const SESSION_TTL_MS_MIN = 100;
export const SESSION_TTL_MS_MAX = 600_000;
/** A session's requests are numbered; none is sent that is this far ahead of the lowest one without a reply. */
export const REQUESTS_AHEAD_MAX = 512;
/** Longest that a poll waits for a change. Shorter costs calls; longer makes a lost connection matter longer. */
export const POLL_WAIT_MS_MAX = 20_000;

const sessionId = z.string().min(1).max(128);
const revision = z.number().int().nonnegative();

/** Names a change, so that it is made once however often it arrives. */
const requestId = { session: sessionId, request: z.number().int().positive(), settled: z.number().int().nonnegative() };
/** The node that was seen, by its value's version or by the revision that made it. Errors: BadVersion. */
const guard = { version: z.number().int().optional(), createRevision: z.number().int().optional() };

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
    }),
    /** The session gets its whole TTL again. Errors: NoSession. */
    keepAlive: method({ request: z.object({ session: sessionId }), response: z.object({ revision }), idempotent: true }),
    closeSession: method({ request: z.object({ session: sessionId }), response: z.object({ revision }), idempotent: true }),
    create: method({
      request: z.object({
        ...requestId,
        path: z.string(),
        value: bytes,
        ephemeral: z.boolean().optional(),
        sequential: z.boolean().optional(),
        parents: z.boolean().optional(),
        /** An ephemeral node that stands there goes first, in the same step. */
        replace: z.boolean().optional(),
      }),
      response: z.object({ path: z.string(), revision }),
      idempotent: true,
    }),
    set: method({
      request: z.object({ ...requestId, ...guard, path: z.string(), value: bytes }),
      response: z.object({ version: z.number().int(), revision }),
      idempotent: true,
    }),
    delete: method({
      request: z.object({ ...requestId, ...guard, path: z.string(), recursive: z.boolean().optional() }),
      response: z.object({ revision }),
      idempotent: true,
    }),
    get: method({
      request: z.object({ path: z.string() }),
      response: z.object({ node: nuwaNodeSchema, revision }),
      idempotent: true,
    }),
    /** A page of children by name; `after` is the `next` of the page before. NoNode tells the revision in details.revision. */
    list: method({
      request: z.object({ path: z.string(), after: z.string().optional() }),
      response: z.object({ children: z.array(nuwaNodeSchema), next: z.string().optional(), revision }),
      idempotent: true,
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
    }),
  },
});
