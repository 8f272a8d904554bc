import { z } from 'zod';
import { method } from '../kuafu/contract.ts';
import { wholeOf } from '../kuafu/resource-contract.ts';
import { BLOCK_BYTES } from './contract.ts';
import { pathResource } from './core/resources.ts';

/** What is asked about logs: of chunk servers (`logChunkMethods`), and of masters (`logMethods`). */
const idSchema = z.string().regex(/^[0-9a-z-]{1,64}$/);
const nodeSchema = z.string().min(1).max(255);
const pathSchema = z.string().min(1).max(8192);
const bytesSchema = z.int().min(0);
const ticketSchema = z.string().max(128).optional();
const capacitySchema = z
  .int()
  .min(BLOCK_BYTES)
  .max(1024 * 1024 * 1024)
  .multipleOf(BLOCK_BYTES);
const crcSchema = z.int().min(0).max(0xffff_ffff);
const replicaSchema = z.object({ node: nodeSchema, address: z.string().optional() });
const PEER = { operation: 'peer', on: wholeOf('pangu') } as const;
const WITH_TICKET = 'identified';
const OF_FILE = 'identified';

/** Of the records in one call: an append of a record is one disk sync, so what comes meanwhile goes together. */
export const LOG_CALL_BYTES_MAX = 1024 * 1024;

export const logChunkMethods = {
  /**
   * To the primary of a log's chunk: the attachment, some records of one writer, goes to the end of the chunk on all replicas, whole and in one piece. The reply means that it
   * is on all their disks. A writer has one call under way; sent again it gets the same answer. Errors: Sealed (full, or a replica failed, or this server was restarted: a
   * master gives the next chunk), ChainBroken, BadRange (not the writer's last call any more), NoSpace, DiskFailed.
   */
  appendRecords: method({
    request: z.object({
      node: nodeSchema,
      chunk: idSchema,
      capacityBytes: capacitySchema,
      writer: idSchema,
      /** The writer's own count of its calls. */
      sequence: z.int().min(0),
      crc: crcSchema,
      /** The other replicas, as long as the chunk lasts. */
      others: z.array(z.object({ node: nodeSchema, address: z.string() })).max(16),
      ticket: ticketSchema,
    }),
    response: z.object({ offset: bytesSchema }),
    access: WITH_TICKET,
  }),
  /** From the primary to the other replicas: the next batch of calls. */
  appendBatch: method({
    request: z.object({
      node: nodeSchema,
      chunk: idSchema,
      capacityBytes: capacitySchema,
      offset: bytesSchema,
      crcs: z.array(crcSchema),
      calls: z.array(z.object({ writer: idSchema, sequence: z.int().min(0), length: bytesSchema })),
    }),
    response: z.object({}),
    access: PEER,
  }),
};

/** Where records go now. */
export const logPlaceSchema = z.object({
  chunk: idSchema,
  index: z.int(),
  /** Where the chunk begins in the file. */
  offset: bytesSchema,
  primary: nodeSchema,
  replicas: z.array(replicaSchema),
  ticket: z.string().optional(),
});
export type LogPlace = z.infer<typeof logPlaceSchema>;

const placedSchema = logPlaceSchema.extend({
  file: idSchema,
  chunkBytes: bytesSchema,
  /** The writer's last call that is in sealed chunks, as far as is known, and where its records begin in the file. */
  mark: z.object({ sequence: z.int(), offset: bytesSchema }).optional(),
});
export type LogPlaced = z.infer<typeof placedSchema>;

const ofPath = ({ path }: { path: string }, cluster: string): string => pathResource(path, cluster);

export const logMethods = {
  /** Makes a log where nothing is, under the id that the caller chose. Errors: EBADF (a file of another kind), EISDIR, ENOSPC, EIO. */
  openLog: method({
    request: z.object({
      file: idSchema,
      path: pathSchema,
      chunkBytes: capacitySchema.optional(),
      replicas: z.int().min(1).max(16),
      minReplicas: z.int().min(1).max(16),
      parents: z.boolean(),
    }),
    response: placedSchema,
    idempotent: true,
    access: { operation: 'write', on: ofPath },
  }),
  /** The chunk takes no more, or a server of it does not answer: it is sealed at what was acknowledged, and the next one given. Errors: ENOENT, EIO, EDQUOT. */
  continueLog: method({
    request: z.object({ file: idSchema, chunk: idSchema, writer: idSchema, exclude: z.array(nodeSchema).max(4096) }),
    response: placedSchema,
    idempotent: true,
    access: OF_FILE,
  }),
};
