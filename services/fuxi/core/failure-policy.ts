import type { FuxiCode } from '../contract.ts';

/**
 * What a failed attempt means for its instance. A *counted* failure says something about the program or its input and uses up one of
 * `maxAttempts`; the others are the cluster's doing and only have a far limit, so that a bad night of the machines does not fail a job.
 */
export type FailureKind =
  | 'fatal' // no attempt can ever succeed
  | 'counted' // try elsewhere, a few times
  | 'uncounted' // try elsewhere
  | 'awaits-repair'; // try again when the lost inputs have been made again

const KINDS: Record<FuxiCode, FailureKind> = {
  InvalidJob: 'fatal',
  InputNotFound: 'fatal',
  InputCorrupt: 'fatal',
  OutputExists: 'fatal',
  ProgramNotFound: 'counted',
  ProgramFailed: 'counted',
  StorageFailed: 'counted',
  ShuffleLost: 'awaits-repair',
  NodeLost: 'uncounted',
  Killed: 'uncounted',
  UnknownContainer: 'uncounted',
  SubmitterUnknown: 'fatal',
  PermissionDenied: 'fatal',
};

export const UNCOUNTED_MAX = 20;
/** For how long an instance keeps away from a node where it failed. It is a wish: with nowhere else to go it must come back. */
export const AVOID_NODE_MS = 5_000;
/** So many different instances failing on one node, and none done there, make the whole task leave that node. */
export const NODE_FAILURES_MAX = 3;

export function failureKind(code: FuxiCode): FailureKind {
  return KINDS[code];
}

/** Delay before the next attempt: 0.2 s doubling to 10 s, without jitter, as workflows must replay. */
export function retryDelayMs(failures: number): number {
  return Math.min(10_000, 200 * 2 ** Math.max(0, failures - 1));
}
