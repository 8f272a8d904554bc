import { z } from 'zod';
import { defineService, method } from '../kuafu/contract.ts';
import { wholeOf } from '../kuafu/resource-contract.ts';
import { PanguError } from './contract.ts';
import {
  bytesSchema,
  chunkBytesSchema,
  idSchema,
  nodeSchema,
  pathSchema,
  REPLICAS_MAX,
  replicaSchema,
  requestIdSchema,
  statSchema,
} from './contract-fields.ts';
import { pathResource, publicationResources } from './core/resources.ts';
import { CHUNK_STATES } from './core/states.ts';
import { healingMethods } from './healing-contract.ts';
import { logMethods } from './log-contract.ts';
import { namespaceMethods, serverSchema } from './namespace-contract.ts';
import { randomMethods } from './random-contract.ts';
import { reportMethods } from './report-contract.ts';
import { leaseFields, writeMethods } from './write-contract.ts';

export { CHUNK_BYTES_MAX, REPLICAS_MAX } from './contract-fields.ts';
export type { ChunkServerState } from './namespace-contract.ts';

/**
 * What Pangu's client asks of a master. Masters keep nothing between calls: any of them answers any call. Each call may be
 * sent again after a lost reply: reads by nature; files are made under an id that the caller chose; commits say what is so, not what to
 * change; and the rest carry a `requestId`, under which the first outcome is remembered.
 */
export const READDIR_LIMIT_MAX = 5_000;

/** Of one copy. @default as fast as it goes */
const rateSchema = z.int().min(1).optional();

export type Replica = z.infer<typeof replicaSchema>;

export const allocationSchema = z.object({
  chunk: idSchema,
  index: z.int(),
  replicas: z.array(replicaSchema),
  ticket: z.string().optional(),
});
export type Allocation = z.infer<typeof allocationSchema>;

export const locatedChunkSchema = z.object({
  chunk: idSchema,
  offset: bytesSchema,
  length: bytesSchema,
  replicas: z.array(replicaSchema),
  /** To read it with, where chunk servers ask for tickets. */
  ticket: z.string().optional(),
  /** Somebody writes to it: it may hold more than `length` by now, and its servers tell how much of it can be seen (`chunkState`). */
  open: z.boolean().optional(),
  /** Of a log: the node that puts its records in order. */
  primary: nodeSchema.optional(),
});
export type LocatedChunk = z.infer<typeof locatedChunkSchema>;

/** What a writer knows of a chunk: which bytes of the file it holds, and which of its replicas do not have them. */
export const writtenChunkSchema = z.object({
  chunk: idSchema,
  offset: bytesSchema,
  length: bytesSchema,
  state: z.enum(CHUNK_STATES),
  lost: z.array(nodeSchema).default([]),
});
export type WrittenChunk = z.input<typeof writtenChunkSchema>;

export const heldReplicaSchema = z.object({
  chunk: idSchema,
  length: bytesSchema,
  state: z.enum(CHUNK_STATES),
  /** Its file was removed: it goes by itself. */
  removed: z.boolean(),
  nodes: z.array(nodeSchema),
});
export type HeldReplica = z.infer<typeof heldReplicaSchema>;

/**
 * `done`: one more replica is there, and the one to be moved is not; `gone`: nothing to do (any more); `open`: somebody writes to the chunk;
 * `noTarget`: no server may take it; `failed`: as `reason` says. Nothing has changed unless it is `done` or `gone`.
 */
export const copyOutcomeSchema = z.object({
  outcome: z.enum(['done', 'gone', 'open', 'noTarget', 'failed']),
  bytes: bytesSchema.default(0),
  node: nodeSchema.optional(),
  reason: z.string().optional(),
});
export type CopyOutcome = z.input<typeof copyOutcomeSchema>;

export const HELD_REPLICAS_LIMIT_MAX = 5_000;

const ofPath = ({ path }: { path: string }, cluster: string): string => pathResource(path, cluster);
const READ_PATH = { operation: 'read', on: ofPath } as const;
const WRITE_PATH = { operation: 'write', on: ofPath } as const;
/** The request names a file or a chunk by its id. The master looks up the path and asks of that (master/file-access.ts). */
const OF_FILE = 'identified';
const ADMIN = { operation: 'admin', on: wholeOf('pangu') } as const;

export const masterService = defineService('pangu-master', {
  errors: PanguError,
  methods: {
    stat: method({ request: z.object({ path: pathSchema }), response: statSchema, idempotent: true, access: READ_PATH }),
    /** Entries after `after`, by name. */
    readdir: method({
      request: z.object({ path: pathSchema, after: z.string().optional(), limit: z.int().min(1).max(READDIR_LIMIT_MAX) }),
      response: z.object({ entries: z.array(statSchema.extend({ name: z.string() })), more: z.boolean() }),
      idempotent: true,
      access: READ_PATH,
    }),
    /** A file's chunks in order, as far as readers may see them. */
    open: method({
      request: z.object({ path: pathSchema, near: nodeSchema.optional() }),
      response: z.object({ file: idSchema, stat: statSchema, chunks: z.array(locatedChunkSchema) }),
      idempotent: true,
      access: READ_PATH,
    }),
    /** The same for a file that was opened before, whatever its path is now. ENOENT once it is removed for good. */
    locate: method({
      request: z.object({ file: idSchema, near: nodeSchema.optional() }),
      response: z.object({ chunks: z.array(locatedChunkSchema) }),
      idempotent: true,
      access: OF_FILE,
    }),
    /** Makes a file and its first chunk. */
    create: method({
      request: z.object({
        file: idSchema,
        path: pathSchema,
        mode: z.enum(['w', 'wx']),
        /** @default what the nearest directory above says, else CHUNK_BYTES_DEFAULT */
        chunkBytes: chunkBytesSchema.optional(),
        replicas: z.int().min(1).max(REPLICAS_MAX),
        /** @default 1 */
        minReplicas: z.int().min(1).max(REPLICAS_MAX).optional(),
        parents: z.boolean(),
        preferNode: nodeSchema.optional(),
        writer: leaseFields.writer,
      }),
      response: allocationSchema.extend({ epoch: bytesSchema, chunkBytes: bytesSchema }),
      idempotent: true,
      access: WRITE_PATH,
    }),
    /** Another chunk for an open file. Asked again for the same `index` it gives the same chunk. */
    allocate: method({
      request: z.object({
        file: idSchema,
        index: z.int().min(0),
        preferNode: nodeSchema.optional(),
        exclude: z.array(nodeSchema).max(4096),
        /** Bytes of the file that the writer has taken so far: EDQUOT is told now if they are too many. */
        written: bytesSchema.optional(),
        /** Where the chunk is to begin in the file, as whoever ends the file for a lost writer has to know. */
        offset: bytesSchema.optional(),
        epoch: leaseFields.epoch,
      }),
      response: allocationSchema,
      idempotent: true,
      access: OF_FILE,
    }),
    /** Records what was written; with `close` also ends the file: chunks never recorded go, and a hidden file appears at its path. */
    commit: method({
      request: z.object({ file: idSchema, chunks: z.array(writtenChunkSchema), close: z.boolean(), epoch: leaseFields.epoch }),
      response: statSchema,
      idempotent: true,
      access: OF_FILE,
    }),
    /** Gives up an open file. */
    abandon: method({ request: z.object({ file: idSchema }), response: z.object({}), idempotent: true, access: OF_FILE }),
    mkdir: method({
      request: z.object({ requestId: requestIdSchema, path: pathSchema, recursive: z.boolean() }),
      response: z.object({}),
      idempotent: true,
      access: WRITE_PATH,
    }),
    rename: method({
      request: z.object({ requestId: requestIdSchema, from: pathSchema, to: pathSchema }),
      response: z.object({}),
      idempotent: true,
      access: { operation: 'write', on: ({ from, to }, cluster) => [pathResource(from, cluster), pathResource(to, cluster)] },
    }),
    remove: method({
      request: z.object({
        requestId: requestIdSchema,
        path: pathSchema,
        /** What may be removed: one file; a file or an empty directory; anything with all below it. */
        what: z.enum(['file', 'one', 'tree']),
        force: z.boolean(),
        /** At once and for good. */
        skipTrash: z.boolean(),
      }),
      response: z.object({}),
      idempotent: true,
      access: WRITE_PATH,
    }),
    publish: method({
      request: z.object({
        publishId: requestIdSchema,
        publications: z.array(
          z.object({
            directory: pathSchema,
            files: z.array(z.object({ from: pathSchema, name: z.string() })),
            overwrite: z.boolean().default(false),
          }),
        ),
      }),
      response: z.object({}),
      idempotent: true,
      access: { operation: 'write', on: ({ publications }, cluster) => publicationResources(publications, cluster) },
    }),
    ...namespaceMethods,
    ...reportMethods,
    ...healingMethods,
    ...writeMethods,
    ...logMethods,
    ...randomMethods,
    /** `dropped`: the master saw it too and took the replica off the chunk's list; its file is removed in the background. */
    reportBadReplica: method({
      request: z.object({ chunk: idSchema, node: nodeSchema, reason: z.string().max(1000) }),
      response: z.object({ dropped: z.boolean() }),
      idempotent: true,
      access: OF_FILE,
    }),
    /** Every chunk server that is there or holds replicas, and the most replicas that any file wants. */
    servers: method({
      request: z.object({}),
      response: z.object({ servers: z.array(serverSchema), replicasMax: z.int() }),
      idempotent: true,
      access: ADMIN,
    }),
    /** A chunk server is about to leave, or stays after all. It remembers that itself. Errors: EIO (it is not there). */
    setDraining: method({
      request: z.object({ node: nodeSchema, draining: z.boolean() }),
      response: z.object({}),
      idempotent: true,
      access: ADMIN,
    }),
    /** What a node holds, by chunk. */
    heldReplicas: method({
      request: z.object({ node: nodeSchema, after: idSchema.optional(), limit: z.int().min(1).max(HELD_REPLICAS_LIMIT_MAX) }),
      response: z.object({ replicas: z.array(heldReplicaSchema), more: z.boolean() }),
      idempotent: true,
      access: ADMIN,
    }),
    /**
     * Puts a replica of `from` on another node: `to`, or the one that suits best. With `seal`, and only on a server that is draining, a chunk that is
     * still written to is sealed there, so that its writer goes on in another one, and what is there is moved.
     */
    moveReplica: method({
      request: z.object({
        chunk: idSchema,
        from: nodeSchema,
        to: nodeSchema.optional(),
        seal: z.boolean().default(false),
        bytesPerSecond: rateSchema,
      }),
      response: copyOutcomeSchema,
      idempotent: true,
      access: ADMIN,
    }),
    /** Sealed chunks with fewer replicas than their file wants and servers could hold, by id. */
    underReplicated: method({
      request: z.object({ after: idSchema.optional(), limit: z.int().min(1).max(HELD_REPLICAS_LIMIT_MAX) }),
      response: z.object({ chunks: z.array(idSchema), more: z.boolean() }),
      idempotent: true,
      access: ADMIN,
    }),
    /** One replica more for a chunk that has too few; `source` is read first. */
    replicate: method({
      request: z.object({ chunk: idSchema, to: nodeSchema.optional(), source: nodeSchema.optional(), bytesPerSecond: rateSchema }),
      response: copyOutcomeSchema,
      idempotent: true,
      access: ADMIN,
    }),
    /** What chunk servers check tickets with. Secret: for peers only. */
    ticketKeys: method({
      request: z.object({}),
      response: z.object({ keys: z.array(z.object({ id: z.string(), secret: z.instanceof(Uint8Array) })) }),
      idempotent: true,
      access: { operation: 'peer', on: wholeOf('pangu') },
    }),
    /** A node that has left and holds nothing is not waited for any more. Errors: EINVAL (it is there, or holds replicas). */
    forgetNode: method({ request: z.object({ node: nodeSchema }), response: z.object({}), idempotent: true, access: ADMIN }),
  },
});
export type MasterContract = typeof masterService;

export const MASTER_SERVICE = 'pangu-master';
