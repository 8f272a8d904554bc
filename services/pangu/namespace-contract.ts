import { z } from 'zod';
import { method } from '../kuafu/contract.ts';
import { wholeOf } from '../kuafu/resource-contract.ts';
import { bytesSchema, nodeSchema, pathSchema, REPLICAS_MAX, requestIdSchema } from './contract-fields.ts';
import { diskSpaceSchema } from './core/disk-space.ts';
import { formatPath } from './core/path.ts';
import { pathResource } from './core/resources.ts';
import { TRASH_NAME, trashUser } from './core/trash.ts';

/** What masters answer of what stands beside names and bytes: owners, times, attributes, quotas, the trash. A part of `masterService`. */
const ownerSchema = z.string().max(255);
/** Looked at closely by the operation, which has words for what is wrong. */
const attributeNameSchema = z.string().max(4096);
/** The end of year 9999. */
const TIME_MS_MAX = 253_402_300_799_999;

/** Of a chunk server: what masters know of it and what the tables say of its replicas. */
export const serverSchema = z.object({
  node: nodeSchema,
  rack: z.string(),
  /** It is registered now. */
  up: z.boolean(),
  draining: z.boolean(),
  freeBytes: bytesSchema,
  /** Of the disks that take chunks. */
  totalBytes: bytesSchema.default(0),
  /** The machine it runs on; its own name where nobody said. */
  machine: z.string().default(''),
  disks: z.array(diskSpaceSchema).default([]),
  replicas: z.int(),
  /** Of replicas, as far as masters were told; open chunks grow beside. */
  bytes: bytesSchema,
});
export type ChunkServerState = z.infer<typeof serverSchema>;

/** Of a directory. Null: no limit of this kind. */
export const quotaSchema = z.object({
  path: z.string(),
  filesMax: bytesSchema.nullable(),
  bytesMax: bytesSchema.nullable(),
  files: bytesSchema,
  /** What the files are long, replicas not counted. */
  bytes: bytesSchema,
});
export type Quota = z.infer<typeof quotaSchema>;

export const usageSchema = z.object({
  files: bytesSchema,
  /** With the one that was asked for. */
  directories: bytesSchema,
  logicalBytes: bytesSchema,
  storedBytes: bytesSchema,
});
export type Usage = z.infer<typeof usageSchema>;

const countSchema = z.object({ files: z.int(), bytes: z.int() });

const ofPath = ({ path }: { path: string }, cluster: string): string => pathResource(path, cluster);
const READ_PATH = { operation: 'read', on: ofPath } as const;
const WRITE_PATH = { operation: 'write', on: ofPath } as const;
const ADMIN_PATH = { operation: 'admin', on: ofPath } as const;
const ADMIN = { operation: 'admin', on: wholeOf('pangu') } as const;
const OWN_TRASH = {
  operation: 'write',
  on: ({ user }: { user?: string }, cluster: string) =>
    pathResource(user === undefined ? `/${TRASH_NAME}` : formatPath([TRASH_NAME, trashUser(user)]), cluster),
} as const;

export const namespaceMethods = {
  setOwner: method({
    request: z.object({ path: pathSchema, owner: ownerSchema }),
    response: z.object({}),
    idempotent: true,
    access: ADMIN_PATH,
  }),
  setTimes: method({
    request: z.object({ path: pathSchema, modifiedAtMs: z.int().min(0).max(TIME_MS_MAX) }),
    response: z.object({}),
    idempotent: true,
    access: WRITE_PATH,
  }),
  /** How many replicas a file's chunks are to have: made, or removed, in the background. */
  setReplicas: method({
    request: z.object({ path: pathSchema, replicas: z.int().min(1).max(REPLICAS_MAX) }),
    response: z.object({}),
    idempotent: true,
    access: WRITE_PATH,
  }),
  attributes: method({
    request: z.object({ path: pathSchema }),
    response: z.object({ attributes: z.array(z.object({ name: z.string(), value: z.instanceof(Uint8Array) })) }),
    idempotent: true,
    access: READ_PATH,
  }),
  /** Errors: EINVAL, ENAMETOOLONG, E2BIG. */
  setAttribute: method({
    request: z.object({ path: pathSchema, name: attributeNameSchema, value: z.instanceof(Uint8Array) }),
    response: z.object({}),
    idempotent: true,
    access: WRITE_PATH,
  }),
  /** Errors: ENODATA. */
  removeAttribute: method({
    request: z.object({ requestId: requestIdSchema, path: pathSchema, name: attributeNameSchema }),
    response: z.object({}),
    idempotent: true,
    access: WRITE_PATH,
  }),
  /** How long what is removed can be had back; 0: not at all. */
  trashSettings: method({
    request: z.object({}),
    response: z.object({ retentionMs: z.int() }),
    idempotent: true,
    access: { operation: 'read', on: wholeOf('pangu') },
  }),
  setTrashRetention: method({
    request: z.object({ retentionMs: z.int().min(0) }),
    response: z.object({}),
    idempotent: true,
    access: ADMIN,
  }),
  /** Removes for good what has lain in the trash, of one user or of all, for so long. */
  emptyTrash: method({
    request: z.object({ user: ownerSchema.optional(), olderThanMs: z.int().min(0) }),
    response: z.object({ emptied: z.int() }),
    idempotent: true,
    access: OWN_TRASH,
  }),
  /** Chunk servers, how much they hold and how much more they can. */
  space: method({
    request: z.object({}),
    response: z.object({ servers: z.array(serverSchema) }),
    idempotent: true,
    access: { operation: 'read', on: wholeOf('pangu') },
  }),
  /** Null and null: no quota. Whatever is there stays, also over the limit; then it can only become less. */
  setQuota: method({
    request: z.object({ path: pathSchema, filesMax: bytesSchema.nullable(), bytesMax: bytesSchema.nullable() }),
    response: z.object({}),
    idempotent: true,
    access: ADMIN_PATH,
  }),
  /** All that hold for a path, its own first. */
  quotasOf: method({
    request: z.object({ path: pathSchema }),
    response: z.object({ quotas: z.array(quotaSchema) }),
    idempotent: true,
    access: READ_PATH,
  }),
  /** Counts anew what directories with a quota hold; `drifted` is empty unless something is broken. */
  checkQuotas: method({
    request: z.object({ repair: z.boolean() }),
    response: z.object({ checked: z.int(), drifted: z.array(z.object({ path: z.string(), kept: countSchema, found: countSchema })) }),
    idempotent: true,
    access: ADMIN,
  }),
  /** What lies at and below a path. */
  usage: method({ request: z.object({ path: pathSchema }), response: usageSchema, idempotent: true, access: READ_PATH }),
};
