import { z } from 'zod';
import { BLOCK_BYTES } from './contract.ts';
import { DISTANCES } from './core/replica-order.ts';
import { FILE_KINDS, FILE_STATES, INODE_TYPES } from './core/states.ts';

/** The fields that several of Pangu's contracts have in common: one bound for each, wherever it crosses the wire. */
export const CHUNK_BYTES_MAX = 1024 * 1024 * 1024;
export const REPLICAS_MAX = 16;

/** Of a file or a chunk. */
export const idSchema = z.string().regex(/^[0-9a-z-]{1,64}$/);
export const requestIdSchema = z.string().min(1).max(256);
/** Checked name by name where it is parsed. */
export const pathSchema = z.string().min(1).max(8192);
export const nodeSchema = z.string().min(1).max(255);
export const bytesSchema = z.int().min(0);
export const crcSchema = z.int().min(0).max(0xffff_ffff);
/** How long a chunk may become. */
export const chunkBytesSchema = z.int().min(BLOCK_BYTES).max(CHUNK_BYTES_MAX).multipleOf(BLOCK_BYTES);
/** Within a chunk. */
export const offsetSchema = z.int().min(0).max(CHUNK_BYTES_MAX);
/** Of those who are no peers: what a master gave with the place of the chunk (core/ticket.ts). */
export const ticketSchema = z.string().max(128).optional();

/** A replica and where its chunk server answers now; no address: it does not. `distance`: from the node that whoever asks said it is on. */
export const replicaSchema = z.object({ node: nodeSchema, address: z.string().optional(), distance: z.enum(DISTANCES).optional() });

export const statSchema = z.object({
  type: z.enum(INODE_TYPES),
  kind: z.enum(FILE_KINDS),
  size: bytesSchema,
  createdAtMs: z.number(),
  modifiedAtMs: z.number(),
  state: z.enum(FILE_STATES),
  chunkBytes: z.int(),
  replicas: z.int(),
  owner: z.string(),
});
