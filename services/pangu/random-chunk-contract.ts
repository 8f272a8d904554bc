import { z } from 'zod';
import { method } from '../kuafu/contract.ts';
import { wholeOf } from '../kuafu/resource-contract.ts';
import { chunkBytesSchema, crcSchema, idSchema, nodeSchema, offsetSchema, ticketSchema } from './contract-fields.ts';

/**
 * What chunk servers answer of chunks of `random` files, which are written anywhere and never sealed. A part of `chunkServerService`.
 *
 * Every request says the version of the chunk that its caller knows. A server that has another refuses with `StaleVersion`: it, or the caller, has missed that
 * a replica was dropped. So a write that comes late, and a replica that comes back, change nothing and mislead nobody.
 */
export const RANDOM_VERSION_MAX = 0xffff_ffff;
/** In one write: a record of the journal. */
export const RANDOM_TRANSFER_BYTES_MAX = 1024 * 1024;

const versionSchema = z.int().min(0).max(RANDOM_VERSION_MAX);

const named = { node: nodeSchema, chunk: idSchema, version: versionSchema };
/** A chunk server does not know which file a chunk is of: see `chunkServerService`. */
const WITH_TICKET = 'identified';
const PEER = { operation: 'peer', on: wholeOf('pangu') } as const;

/** How a replica is: those with the same digest have the same bytes. `end`: where the last byte written ends. */
const replicaState = z.object({ end: offsetSchema, digest: crcSchema });

export const randomChunkMethods = {
  /** Makes a chunk of zeros, on disk. One that is there with this version stays as it is. */
  randomMake: method({
    request: z.object({ ...named, capacityBytes: chunkBytesSchema }),
    response: z.object({}),
    idempotent: true,
    access: PEER,
  }),
  /**
   * The attachment is in the chunk at `offset`, on disk if `durable`. Never sent twice by Kuafu: one that is late must not undo a later one (see
   * client/random-chunk.ts). `boot`: of the machine; what is not durable is lost when it changes.
   */
  randomWrite: method({
    request: z.object({ ...named, offset: offsetSchema, crc: crcSchema, durable: z.boolean(), ticket: ticketSchema }),
    response: z.object({ boot: z.string() }),
    access: WITH_TICKET,
  }),
  /** From `length` on the chunk is zeros; on disk if `durable`. */
  randomCut: method({
    request: z.object({ ...named, length: offsetSchema, durable: z.boolean(), ticket: ticketSchema }),
    response: z.object({ boot: z.string() }),
    access: WITH_TICKET,
  }),
  /** All that was acknowledged before is on disk. */
  randomSync: method({
    request: z.object({ ...named, ticket: ticketSchema }),
    response: z.object({ boot: z.string() }),
    idempotent: true,
    access: WITH_TICKET,
  }),
  randomRead: method({
    request: z.object({ ...named, offset: offsetSchema, length: z.int().min(0).max(RANDOM_TRANSFER_BYTES_MAX), ticket: ticketSchema }),
    response: z.object({ crc: crcSchema }),
    replyAttachment: true,
    idempotent: true,
    access: WITH_TICKET,
  }),
  /** The chunk has this version from now on, on disk; never an older one. */
  randomSetVersion: method({ request: z.object(named), response: replicaState, idempotent: true, access: PEER }),
  /** What the table says of each block: four bytes each, little-endian. */
  randomSums: method({
    request: z.object(named),
    response: replicaState,
    replyAttachment: true,
    idempotent: true,
    access: PEER,
  }),
  /**
   * Makes this replica what the one on `from`, of version `version`, is: blocks that differ are fetched. One that is not here is made, with version 0, which
   * nobody reads or writes. The reply is of this one; when somebody wrote to the other meanwhile, they still differ. Errors: SourceFailed, NoSpace, DiskFailed.
   */
  randomPull: method({
    request: z.object({ ...named, capacityBytes: chunkBytesSchema, from: z.object({ node: nodeSchema, address: z.string() }) }),
    response: replicaState.extend({ copiedBytes: z.int() }),
    idempotent: true,
    access: PEER,
  }),
};
