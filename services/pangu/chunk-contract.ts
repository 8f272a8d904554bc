import { z } from 'zod';
import { FeitianError } from '../base/errors.ts';
import { defineService, method } from '../kuafu/contract.ts';
import { wholeOf } from '../kuafu/resource-contract.ts';
import { BLOCK_BYTES } from './contract.ts';
import { chunkBytesSchema, crcSchema, idSchema, nodeSchema, offsetSchema, ticketSchema } from './contract-fields.ts';
import { logChunkMethods } from './log-contract.ts';
import { randomChunkMethods } from './random-chunk-contract.ts';

/**
 * What chunk servers are asked: by Pangu's client to write and read, by each other along a chain, by masters to verify and delete.
 * Every request names the node it is meant for, so that a server that took over an old port answers `WrongNode` instead of
 * writing or deleting what belongs to another.
 */
export const CHUNK_CODES = [
  'NoChunk', // this server has no such chunk
  'BadChecksum', // its bytes here are not what was written; details.offset
  'BadRange', // a gap before the bytes to append, other bytes at that place, or a range beyond the end; details.length
  'Sealed', // no more bytes can be appended
  'NoSpace', // the disk is full
  'DiskFailed', // the disk returned an error
  'WrongNode', // this server is another node
  'NoTicket', // the caller may not do this to this chunk, or not any more: a master gives tickets
  'Draining', // this server takes no new chunks: it is about to leave
  'SourceFailed', // the server to copy from did not give the bytes; details.node, details.cause (its code)
  'StaleVersion', // of a chunk of a random file: its version here is another, so one of the two missed a write; details.version
  'ChainBroken', // bytes are here, but a server further down did not take them; details.node, details.cause (its code)
] as const;
export type ChunkCode = (typeof CHUNK_CODES)[number];

export class ChunkError extends FeitianError<ChunkCode> {
  static readonly codes = CHUNK_CODES;
}

/** Bytes in one append, and in one read by Pangu's own client. Large enough to make the call's cost small, small enough to flow through a chain. */
export const TRANSFER_BYTES_MAX = 1024 * 1024;
export const READ_BYTES_MAX = 4 * TRANSFER_BYTES_MAX;
/** Chunks in one `delete`. */
export const DELETE_MAX = 1_000;
export const CHUNK_SERVICE = 'pangu-chunk';

/** CRC32C of each piece of an attachment, cut where blocks of the chunk end. */
const crcsSchema = z.array(crcSchema).max(READ_BYTES_MAX / BLOCK_BYTES + 1);

/** Where the last call of a log's writer that was carried out in this chunk put its records: what a writer that had no answer wants to know. */
export const logMarkSchema = z.object({
  writer: idSchema,
  /** The writer's own count of its calls. */
  sequence: z.int().min(0),
  /** In the chunk. */
  offset: offsetSchema,
});
export type LogMark = z.infer<typeof logMarkSchema>;

/** A chunk server does not know which file a chunk is of, so it asks for a ticket (chunk/permission.ts). `peer`: masters and other chunk servers. */
const WITH_TICKET = 'identified';
const PEER = { operation: 'peer', on: wholeOf('pangu') } as const;

export const chunkServerService = defineService(CHUNK_SERVICE, {
  errors: ChunkError,
  methods: {
    /**
     * Appends the attachment at `offset`, here and at all in `next`; the reply means that all have done it. The chunk is made by its first bytes.
     * Bytes that are there already are accepted when they are the same. `finish` `sync`: and they are on disk;
     * `seal`: and the chunk ends here, on disk too if `durable`.
     */
    append: method({
      request: z.object({
        node: nodeSchema,
        chunk: idSchema,
        capacityBytes: chunkBytesSchema,
        offset: offsetSchema,
        crcs: crcsSchema,
        finish: z.enum(['none', 'sync', 'seal']),
        durable: z.boolean(),
        next: z.array(z.object({ node: nodeSchema, address: z.string() })).max(16),
        ticket: ticketSchema,
      }),
      response: z.object({ length: z.int() }),
      access: WITH_TICKET,
    }),
    /** Ends a chunk at `length`, and what it holds beyond goes; without `length` where it is. Sealed already, it may still end earlier. */
    seal: method({
      request: z.object({
        node: nodeSchema,
        chunk: idSchema,
        length: offsetSchema.optional(),
        durable: z.boolean(),
        ticket: ticketSchema,
        /** Of a log's chunk: a master has its marks, and nobody asks again. */
        forget: z.boolean().optional(),
      }),
      response: z.object({ length: z.int(), marks: z.array(logMarkSchema).optional() }),
      access: WITH_TICKET,
    }),
    /**
     * How far a chunk that is written to has come: `length` is what is here, `acknowledgedLength` what is known to be on every replica. Whoever sees only what the
     * shortest of those that answer acknowledges sees nothing that goes again.
     */
    chunkState: method({
      request: z.object({ node: nodeSchema, chunk: idSchema, ticket: ticketSchema }),
      response: z.object({
        length: z.int(),
        acknowledgedLength: z.int(),
        sealed: z.boolean(),
        /** Of a log's chunk: this server puts its records in order, so what it acknowledges is all that is. */
        leads: z.boolean().optional(),
      }),
      idempotent: true,
      access: WITH_TICKET,
    }),
    /**
     * Pulls the first `length` bytes of a chunk that is sealed on the server `from`, checks them, writes them, seals and syncs. What is here of it already
     * is kept. Errors: SourceFailed, NoSpace, Draining, DiskFailed.
     */
    copy: method({
      request: z.object({
        node: nodeSchema,
        chunk: idSchema,
        capacityBytes: chunkBytesSchema,
        length: offsetSchema,
        from: z.object({ node: nodeSchema, address: z.string() }),
        /** Not faster than this. @default as fast as it goes */
        bytesPerSecond: z.int().min(1).optional(),
      }),
      response: z.object({ copiedBytes: z.int() }),
      idempotent: true,
      access: PEER,
    }),
    /** `draining`: this server is about to leave and takes no new chunks, also after a restart, until it is told otherwise. */
    setDraining: method({
      request: z.object({ node: nodeSchema, draining: z.boolean() }),
      response: z.object({}),
      idempotent: true,
      access: PEER,
    }),
    /** The bytes, and their CRC32C piece by piece, so that the reader can check the way too. */
    read: method({
      request: z.object({
        node: nodeSchema,
        chunk: idSchema,
        offset: offsetSchema,
        length: z.int().min(0).max(READ_BYTES_MAX),
        ticket: ticketSchema,
      }),
      response: z.object({ crcs: crcsSchema }),
      replyAttachment: true,
      idempotent: true,
      access: WITH_TICKET,
    }),
    /** Where the file of a sealed chunk is: a reader on the server's own node opens it itself, if the system lets it. */
    localPath: method({
      request: z.object({ node: nodeSchema, chunk: idSchema, ticket: ticketSchema }),
      /** Absent: the chunk is written to. */
      response: z.object({ place: z.object({ path: z.string(), dataOffset: z.int() }).optional() }),
      idempotent: true,
      access: WITH_TICKET,
    }),
    /** Reads the first `length` bytes back from disk and checks them. */
    verify: method({
      request: z.object({ node: nodeSchema, chunk: idSchema, length: offsetSchema }),
      response: z.object({}),
      idempotent: true,
      access: PEER,
    }),
    ...logChunkMethods,
    /** Those not here are fine. */
    delete: method({
      request: z.object({ node: nodeSchema, chunks: z.array(idSchema).max(DELETE_MAX) }),
      response: z.object({}),
      idempotent: true,
      access: PEER,
    }),
    /** Chunks on this server after `after`, by id. */
    list: method({
      request: z.object({ node: nodeSchema, after: z.string().max(64).optional(), limit: z.int().min(1).max(10_000) }),
      response: z.object({ chunks: z.array(z.string()), more: z.boolean() }),
      idempotent: true,
      access: PEER,
    }),
    ...randomChunkMethods,
  },
});
export type ChunkServerContract = typeof chunkServerService;
