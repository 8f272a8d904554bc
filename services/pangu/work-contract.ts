import { z } from 'zod';
import type { Problem } from '../base/problems.ts';

/**
 * What is said to and by the workflows `panguRepair`, `panguBalance` and `panguDrain`: long work on replicas, planned first, at a bounded pace, that can be
 * paused. A *step* is what one activity does of it in some seconds; whatever was moved counts at once, so a work that ends early leaves nothing half done.
 */
export const WORK_KINDS = ['repair', 'balance', 'drain'] as const;
export type WorkKind = (typeof WORK_KINDS)[number];

export const PANGU_WORKFLOWS = { repair: 'panguRepair', balance: 'panguBalance', drain: 'panguDrain' } as const satisfies Record<
  WorkKind,
  string
>;
/** The one that is started when much is lacking; a second is the same. */
export const REPAIR_ID = 'pangu-repair';

const userName = z.string().min(1).max(100).default('default');
/** Of all copies of this work together. */
const rate = z.int().min(1).max(Number.MAX_SAFE_INTEGER);

/** The argument of each; `carried` is what a run tells the one that goes on after it. */
export const workSchema = z.strictObject({
  user: userName,
  /** @default what the cluster heals with */
  bytesPerSecond: rate.optional(),
  /** Of a drain: those that are to leave. */
  nodes: z.array(z.string().min(1).max(255)).max(64).default([]),
  carried: z
    .object({
      startedAtMs: z.number(),
      replicas: z.int(),
      bytes: z.int(),
      paused: z.boolean(),
      plan: z.any(),
    })
    .optional(),
});
export type WorkDocument = z.input<typeof workSchema>;
export type Work = z.output<typeof workSchema>;

export function parseWork(kind: WorkKind, document: unknown): { ok: true; work: Work } | { ok: false; problems: Problem[] } {
  const parsed = workSchema.safeParse(document ?? {});
  if (!parsed.success) return { ok: false, problems: parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })) };
  if (kind === 'drain' && parsed.data.nodes.length === 0)
    return { ok: false, problems: [{ path: 'nodes', message: 'must name at least one node' }] };
  if (kind !== 'drain' && parsed.data.nodes.length > 0)
    return { ok: false, problems: [{ path: 'nodes', message: 'only a drain is of nodes' }] };
  return { ok: true, work: parsed.data };
}

/** Answer of the query `plan`; null until the cluster was looked at. */
export interface WorkPlan {
  kind: WorkKind;
  /** What is to be copied, as far as it is known before. */
  replicas: number;
  bytes: number;
  nodes: WorkNode[];
  /** Of a repair: how many chunks have so many replicas that can be read. */
  byCopies: Record<string, number>;
  steps: string[];
}

export interface WorkNode {
  id: string;
  rack: string;
  up: boolean;
  replicas: number;
  bytes: number;
  /** What it is to hold in the end. */
  target: number;
}

export const WORK_PHASES = ['planning', 'running', 'paused', 'done', 'incomplete', 'failed', 'cancelled'] as const;
export type WorkPhase = (typeof WORK_PHASES)[number];

/** Answer of the query `progress`. */
export interface WorkProgress {
  kind: WorkKind;
  phase: WorkPhase;
  replicas: number;
  bytes: number;
  replicasLeft: number;
  bytesLeft: number;
  /** Null: what the cluster heals with. */
  bytesPerSecond: number | null;
  /** What it waits for, or why it ended as it did. */
  message: string;
  startedAtMs: number;
  finishedAtMs?: number;
}

export interface WorkResult {
  /** `incomplete`: what is left cannot be done now, as `message` says. */
  outcome: 'done' | 'incomplete';
  replicas: number;
  bytes: number;
  replicasLeft: number;
  bytesLeft: number;
  message: string;
}

/** What one step did, and what is left as far as is known. */
export interface WorkStep {
  replicas: number;
  bytes: number;
  replicasLeft: number;
  bytesLeft: number;
  done: boolean;
  /** What it waits for, in words; empty when it goes well. */
  waiting: string;
}
