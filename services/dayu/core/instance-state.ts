import { assertInvariant } from '../../base/assert.ts';
import type { InstanceState } from '../contract.ts';

/**
 * The states of one instance, and all moves between them.
 *
 *     starting ──well──► healthy ──ill, failuresMax times in a row──► unhealthy ──well──► healthy
 *        ▲ └────────────────┴─────────────── ended ───────────────────────┘
 *        │                                     ▼
 *        └─────────────── started ────────── failed          it ended by itself, and is started again after a pause
 *
 *     any of them ──stop──► stopping                         the end: what comes after it is another instance
 *
 * Invariants: only a healthy instance is in Nuwa; `failures` counts checks in a row that failed and is 0 after one that passed; `message` says what is
 * wrong, and is absent when nothing is.
 */
export interface InstanceHealth {
  readonly state: InstanceState;
  readonly failures: number;
  readonly message?: string;
}

export type InstanceEvent =
  | { kind: 'started' }
  /** A check passed, or there is none and it has run for a while. */
  | { kind: 'well' }
  | { kind: 'ill'; why: string }
  /** It ended by itself, or could not be started. */
  | { kind: 'ended'; how: string }
  | { kind: 'stop' };

export const STARTING: InstanceHealth = { state: 'starting', failures: 0 };
const HEALTHY: InstanceHealth = { state: 'healthy', failures: 0 };
const STOPPING: InstanceHealth = { state: 'stopping', failures: 0 };

/** Throws when the move is none of those above: whoever asked for it is wrong about the instance. */
export function stepInstance(now: InstanceHealth, event: InstanceEvent, failuresMax: number): InstanceHealth {
  const { state } = now;
  switch (event.kind) {
    case 'stop':
      return STOPPING;
    case 'started':
      assertInvariant(state === 'failed', `an instance that is ${state} is not started`);
      return STARTING;
    case 'ended':
      assertInvariant(state !== 'failed' && state !== 'stopping', `an instance that is ${state} does not end by itself`);
      return { state: 'failed', failures: 0, message: event.how };
    case 'well':
      assertInvariant(state !== 'failed' && state !== 'stopping', `an instance that is ${state} is not checked`);
      return HEALTHY;
    case 'ill': {
      assertInvariant(state !== 'failed' && state !== 'stopping', `an instance that is ${state} is not checked`);
      const failures = now.failures + 1;
      // One that was never well cannot become unhealthy: how long it may take is for those to say who wait for it.
      const next = state === 'healthy' && failures >= failuresMax ? 'unhealthy' : state;
      return { state: next, failures, message: event.why };
    }
  }
}
