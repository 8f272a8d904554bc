import { z } from 'zod';

/**
 * What Dayu says of nodes: the documents of the workflows `dayuExpand` and `dayuShrink`, their answers, and how they go. A node *joins* when its roles
 * run and are registered; it *drains* while its replicas are copied elsewhere; it *leaves* when its work has ended; it is *gone* when nothing of it is
 * left but the paper it is written on.
 */
const nodeName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be 1 to 63 lower-case letters, digits and "-"');
const userName = z.string().min(1).max(100).default('default');

export const NODES_MAX = 64;

/** The one argument of `dayuExpand`. */
export const expandSchema = z.strictObject({
  nodes: z
    .array(z.strictObject({ id: nodeName, rack: nodeName }))
    .min(1, 'must name at least one node')
    .max(NODES_MAX),
  user: userName,
  /** Move replicas to the new nodes until each has its share; without it they fill up with what is written from now on. */
  balance: z.boolean().default(true),
});
export type ExpandDocument = z.input<typeof expandSchema>;
export type Expand = z.output<typeof expandSchema>;

/** The one argument of `dayuShrink`. */
export const shrinkSchema = z.strictObject({
  nodes: z.array(nodeName).min(1, 'must name at least one node').max(NODES_MAX),
  user: userName,
});
export type ShrinkDocument = z.input<typeof shrinkSchema>;
export type Shrink = z.output<typeof shrinkSchema>;

/** Where `dayuShrink` writes down that it is at work: a node in Nuwa, its value `{ "workflowId", "runId" }`. One at a time. */
export const SHRINK_LOCK_PATH = '/dayu/shrink';

export const NODES_PHASES = [
  'checking',
  'starting', // expand
  'balancing', // expand
  'draining', // shrink; up to here it can be aborted
  'leaving', // shrink
  'removing', // shrink
  'done',
  'aborted',
  'failed',
] as const;
export type NodesPhase = (typeof NODES_PHASES)[number];

export const NODE_STATES = [
  'waiting',
  'starting',
  'joined',
  'balancing',
  'draining',
  'drained',
  'leaving',
  'removing',
  'done',
  'kept',
] as const;
export type NodeState = (typeof NODE_STATES)[number];

export interface NodeProgress {
  rack: string;
  state: NodeState;
  replicasMoved: number;
  bytesMoved: number;
  /** Still to be moved, as far as is known. */
  replicasLeft: number;
  bytesLeft: number;
  /** What it waits for, or what a person has to do. */
  message?: string;
}

/** Answer of the query `progress`. */
export interface NodesProgress {
  kind: 'expand' | 'shrink';
  phase: NodesPhase;
  nodes: Record<string, NodeProgress>;
  /** Why it ended as it did. */
  reason?: string;
  startedAtMs: number;
  finishedAtMs?: number;
}

/** Answer of the query `plan`; null until the cluster was looked at. */
export interface NodesPlan {
  nodes: { id: string; rack: string; replicas: number; bytes: number }[];
  /** How many nodes the cluster has afterwards. */
  nodesAfter: number;
  steps: string[];
}

/** What `dayuExpand` and `dayuShrink` return. */
export interface NodesResult {
  outcome: 'done' | 'aborted';
  nodes: Record<string, { rack: string; replicasMoved: number; bytesMoved: number }>;
  /** Chunks that have fewer replicas than their files want, and could not be given more. */
  underReplicated: number;
  reason?: string;
}

// ---- what their activities tell ----

/** Who keeps nodes running: this cluster's launcher (`started`), or a person (`manual`). */
export type NodeKeeper = 'launcher' | 'manual';

export interface ShrinkFacts {
  nodes: { id: string; rack: string; replicas: number; bytes: number }[];
  nodesAfter: number;
}

/** One bounded step of moving replicas. */
export interface MoveStep {
  replicasMoved: number;
  bytesMoved: number;
  replicasLeft: number;
  bytesLeft: number;
  done: boolean;
  /** What it waits for, in words; empty when it goes well. */
  waiting: string;
}

export interface MendStep {
  made: number;
  left: number;
  reason: string;
}
