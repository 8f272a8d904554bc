import { z } from 'zod';
import { method } from '../kuafu/contract.ts';
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
import { pathResource } from './core/resources.ts';
import { leaseFields } from './write-contract.ts';

/**
 * What masters answer of `random` files: those that are written anywhere. A part of `masterService`.
 *
 * Chunk n of such a file is its bytes from n × chunkBytes on, and is made when it is first written to; what is not there reads as zeros. A chunk has a version,
 * and rows name only the replicas that have it. Whoever knows where replicas are may believe it for `RANDOM_PLACE_MS`: for as long nothing is acknowledged
 * that a replica has missed and somebody might still read there.
 */
export const RANDOM_PLACE_MS = 2_000;
export const RANDOM_INDEXES_MAX = 1_024;

const indexSchema = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);
const versionSchema = z.int().min(0);

const ofPath = ({ path }: { path: string }, cluster: string): string => pathResource(path, cluster);
const WRITE_PATH = { operation: 'write', on: ofPath } as const;
const OF_FILE = 'identified';

/** Where a chunk is. `wanted`: so many replicas it is to have. */
const placeSchema = z.object({
  chunk: idSchema,
  index: indexSchema,
  version: versionSchema,
  replicas: z.array(replicaSchema),
  wanted: z.int(),
  ticket: z.string().optional(),
});
export type RandomPlace = z.infer<typeof placeSchema>;

const openedSchema = z.object({
  file: idSchema,
  epoch: bytesSchema,
  size: bytesSchema,
  chunkBytes: z.int(),
  minReplicas: z.int(),
});
export type RandomOpened = z.infer<typeof openedSchema>;

const heldSchema = { file: idSchema, epoch: bytesSchema };

export const randomMethods = {
  /** Makes a file without chunks; `w` and `wx` as in `create`. */
  randomCreate: method({
    request: z.object({
      file: idSchema,
      path: pathSchema,
      mode: z.enum(['w', 'wx']),
      chunkBytes: chunkBytesSchema.optional(),
      replicas: z.int().min(1).max(REPLICAS_MAX),
      minReplicas: z.int().min(1).max(REPLICAS_MAX),
      parents: z.boolean(),
      writer: leaseFields.writer,
    }),
    response: openedSchema,
    idempotent: true,
    access: WRITE_PATH,
  }),
  /** Takes the lease of a file that is there. After a writer that is gone its replicas are made equal first. Errors: ENOENT, EISDIR, EBADF (of another kind), EBUSY, EIO. */
  randomOpen: method({
    request: z.object({ requestId: requestIdSchema, path: pathSchema, writer: leaseFields.writer }),
    response: openedSchema,
    idempotent: true,
    access: WRITE_PATH,
  }),
  /** The chunk at `index`, made on its servers if it is not there. Errors: ENOSPC, EIO, ESTALE, EDQUOT (`end`: how long the file is going to be). */
  randomAllocate: method({
    request: z.object({ ...heldSchema, index: indexSchema, preferNode: nodeSchema.optional(), end: bytesSchema.optional() }),
    response: placeSchema,
    idempotent: true,
    access: OF_FILE,
  }),
  /** Those of `indexes` that are there, for readers. While somebody has it open for writing all readers prefer replicas in the order given. */
  randomLocate: method({
    request: z.object({ file: idSchema, indexes: z.array(indexSchema).max(RANDOM_INDEXES_MAX) }),
    response: z.object({
      size: bytesSchema,
      open: z.boolean(),
      chunks: z.array(placeSchema.extend({ offset: bytesSchema, length: bytesSchema })),
    }),
    idempotent: true,
    access: OF_FILE,
  }),
  /** How long the file is, as far as it grew; with `close` the lease is given back. */
  randomCommit: method({
    request: z.object({ ...heldSchema, size: bytesSchema, close: z.boolean() }),
    response: statSchema,
    idempotent: true,
    access: OF_FILE,
  }),
  /** The file is `length` long from now on, and its writer's epoch the one in the reply. `cutting`: the chunk it now ends in is there, and is to be cut, then `randomCutDone`. */
  randomTruncate: method({
    request: z.object({ ...heldSchema, requestId: requestIdSchema, length: bytesSchema }),
    response: z.object({ epoch: bytesSchema, cutting: z.boolean() }),
    idempotent: true,
    access: OF_FILE,
  }),
  randomCutDone: method({
    request: z.object({ ...heldSchema, length: bytesSchema }),
    response: z.object({}),
    idempotent: true,
    access: OF_FILE,
  }),
  /**
   * Only `survivors` of a chunk's replicas count from now on, under the next version, which they are told; the others are never read any more when this
   * replies. When somebody else did so after `version`, it says how things are. Errors: ESTALE, EIO (fewer than the file's `minReplicas`).
   */
  bumpVersion: method({
    request: z.object({ ...heldSchema, chunk: idSchema, version: versionSchema, survivors: z.array(nodeSchema).min(1).max(REPLICAS_MAX) }),
    response: placeSchema,
    idempotent: true,
    access: OF_FILE,
  }),
  /** Chunks with fewer replicas than the file wants and servers could hold; those on servers that are about to leave do not count. */
  randomShort: method({
    request: z.object({ file: idSchema }),
    response: z.object({ indexes: z.array(indexSchema) }),
    idempotent: true,
    access: OF_FILE,
  }),
  /**
   * One more replica for a chunk that its writer keeps open, in two steps: first most of it is copied while the writer goes on; then, with `target` and no write
   * under way, the rest, and it counts. Nothing to do: no `target` in the reply.
   */
  randomMend: method({
    request: z.object({ ...heldSchema, chunk: idSchema, version: versionSchema, target: nodeSchema.optional() }),
    response: z.object({ target: nodeSchema.optional(), place: placeSchema.optional() }),
    idempotent: true,
    access: OF_FILE,
  }),
};
