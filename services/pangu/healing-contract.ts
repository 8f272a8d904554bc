import { z } from 'zod';
import { method } from '../kuafu/contract.ts';
import { wholeOf } from '../kuafu/resource-contract.ts';
import { bytesSchema, idSchema, nodeSchema, pathSchema } from './contract-fields.ts';
import { FSCK_KINDS } from './core/fsck.ts';
import { healingSchema } from './core/healing.ts';
import { LEDGER_KINDS } from './core/ledger.ts';
import { pathResource } from './core/resources.ts';

/** What masters answer of redundancy: what was lost and made again, what is wrong now, what is being done about it. A part of `masterService`. */
export const LEDGER_LIMIT_MAX = 5_000;
export const FSCK_LIMIT_MAX = 10_000;

export const ledgerEntrySchema = z.object({
  /** Grows; not without gaps. */
  id: z.int(),
  atMs: z.number(),
  kind: z.enum(LEDGER_KINDS),
  chunk: z.string().optional(),
  node: z.string().optional(),
  bytes: bytesSchema,
  cause: z.string(),
});
export type LedgerEntry = z.infer<typeof ledgerEntrySchema>;

export const fsckProblemSchema = z.object({
  kind: z.enum(FSCK_KINDS),
  path: z.string(),
  chunk: z.string().optional(),
  nodes: z.array(z.string()),
  detail: z.string(),
});
export type FsckProblem = z.infer<typeof fsckProblemSchema>;

const fsckPageSchema = z.object({
  files: z.int(),
  chunks: z.int(),
  replicas: z.int(),
  bytes: bytesSchema,
  /** Read back from disk. */
  verifiedBytes: bytesSchema,
  problems: z.array(fsckProblemSchema),
  /** Where to go on; absent at the end. */
  next: idSchema.optional(),
});
export type FsckPage = z.infer<typeof fsckPageSchema>;

/** A chunk that has fewer replicas than it is to have. */
export const lackingSchema = z.object({
  chunk: idSchema,
  length: bytesSchema,
  nodes: z.array(nodeSchema),
  /** How many of them can be read. */
  up: z.int(),
});

const claimSchema = z.object({ holder: z.string(), untilMs: z.number() });

const ADMIN = { operation: 'admin', on: wholeOf('pangu') } as const;
const ADMIN_PATH = { operation: 'admin', on: ({ path }: { path: string }, cluster: string) => pathResource(path, cluster) } as const;

export const healingMethods = {
  /** Entries of the ledger, the newest first; `before` goes further back. */
  ledger: method({
    request: z.object({
      sinceMs: z.number().min(0).optional(),
      kinds: z.array(z.enum(LEDGER_KINDS)).optional(),
      node: nodeSchema.optional(),
      chunk: idSchema.optional(),
      before: z.int().optional(),
      limit: z.int().min(1).max(LEDGER_LIMIT_MAX),
    }),
    response: z.object({ entries: z.array(ledgerEntrySchema), more: z.boolean() }),
    idempotent: true,
    access: ADMIN,
  }),
  /** Files at and below a path, by id: whether their chunks make them up, and whether somebody who is gone still writes them. */
  fsckFiles: method({
    request: z.object({ path: pathSchema, after: idSchema.optional(), limit: z.int().min(1).max(FSCK_LIMIT_MAX) }),
    response: fsckPageSchema,
    idempotent: true,
    access: ADMIN_PATH,
  }),
  /** Chunks of files at and below a path, by id: whether their replicas are there; with `verify` each is read back where it lies. */
  fsckChunks: method({
    request: z.object({
      path: pathSchema,
      after: idSchema.optional(),
      limit: z.int().min(1).max(FSCK_LIMIT_MAX),
      verify: z.boolean().default(false),
    }),
    response: fsckPageSchema,
    idempotent: true,
    access: ADMIN_PATH,
  }),
  /** Chunks that lack replicas which can be made, those in most danger first, and how much all of it is. */
  lacking: method({
    request: z.object({ limit: z.int().min(1).max(FSCK_LIMIT_MAX) }),
    response: z.object({ lacking: z.array(lackingSchema), chunks: z.int(), bytes: bytesSchema }),
    idempotent: true,
    access: ADMIN,
  }),
  /** Whoever mends says so for a while at a time; the control loop leaves copying to it. 0: it is over. @returns who has it. */
  claimRepair: method({
    request: z.object({
      holder: z.string().min(1).max(255),
      forMs: z
        .int()
        .min(0)
        .max(24 * 3600_000),
    }),
    response: z.object({ claim: claimSchema.optional() }),
    idempotent: true,
    access: ADMIN,
  }),
  /** What the control loop knows: which servers are missed, what was lacking when it looked last, and whether that is a workflow's to mend. */
  controlState: method({
    request: z.object({}),
    response: z.object({
      /** The master that controls, if one does. */
      holder: z.string().optional(),
      missed: z.array(z.object({ node: nodeSchema, goneAtMs: z.number(), deadAtMs: z.number().optional() })),
      lacking: z.object({ chunks: z.int(), bytes: bytesSchema, atMs: z.number() }).optional(),
      claim: claimSchema.optional(),
      repairWanted: z.boolean(),
    }),
    idempotent: true,
    access: ADMIN,
  }),
  healingSettings: method({ request: z.object({}), response: healingSchema, idempotent: true, access: ADMIN }),
  /** Changes what is named. */
  setHealing: method({
    request: z.object({ settings: healingSchema.partial() }),
    response: healingSchema,
    idempotent: true,
    access: ADMIN,
  }),
};
