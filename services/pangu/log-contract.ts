import { z } from 'zod';
import { method } from '../kuafu/contract.ts';
import { wholeOf } from '../kuafu/resource-contract.ts';
import {
  bytesSchema,
  chunkBytesSchema,
  crcSchema,
  idSchema,
  nodeSchema,
  pathSchema,
  REPLICAS_MAX,
  replicaSchema,
  ticketSchema,
} from './contract-fields.ts';
import { pathResource } from './core/resources.ts';

/** What is asked about logs: of chunk servers (`logChunkMethods`), and of masters (`logMethods`). */
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
      capacityBytes: chunkBytesSchema,
      writer: idSchema,
      /** The writer's own count of its calls. */
      sequence: z.int().min(0),
      crc: crcSchema,
      /** The other replicas, as long as the chunk lasts. */
      others: z.array(z.object({ node: nodeSchema, address: z.string() })).max(REPLICAS_MAX),
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
      capacityBytes: chunkBytesSchema,
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
      chunkBytes: chunkBytesSchema.optional(),
      replicas: z.int().min(1).max(REPLICAS_MAX),
      minReplicas: z.int().min(1).max(REPLICAS_MAX),
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
