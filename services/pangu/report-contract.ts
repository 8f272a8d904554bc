import { z } from 'zod';
import { method } from '../kuafu/contract.ts';
import { wholeOf } from '../kuafu/resource-contract.ts';
import { idSchema, nodeSchema } from './contract-fields.ts';

/** What chunk servers and masters tell each other of replicas, so that rows say what disks hold. A part of `masterService`. */

export const REPORT_MAX = 1_000;

const PEER = { operation: 'peer', on: wholeOf('pangu') } as const;

export const reportMethods = {
  /** Chunks with bytes that a node is believed to hold, after `after`, by id. */
  heldChunks: method({
    request: z.object({ node: nodeSchema, after: idSchema.optional(), limit: z.int().min(1).max(REPORT_MAX) }),
    response: z.object({ chunks: z.array(idSchema), more: z.boolean() }),
    idempotent: true,
    access: PEER,
  }),
  /**
   * `lost`: their files are not on the node's disks any more; `bad`: they are, and their bytes are wrong. Sent by the node's own server. What is
   * not so (any more) is left alone, and so is the last replica of a chunk: its disk may come back.
   */
  reportReplicas: method({
    request: z.object({ node: nodeSchema, lost: z.array(idSchema).max(REPORT_MAX), bad: z.array(idSchema).max(REPORT_MAX) }),
    response: z.object({}),
    idempotent: true,
    access: PEER,
  }),
};
