import { z } from 'zod';
import { CLOCK_SKEW_MS_MAX, REVOCATION_FRESH_MS } from '../contract.ts';

/**
 * Revocations: ids of links and fingerprints of keys that count no more. A token ends when any link or key on its way is revoked, so one entry takes
 * back all that was delegated from there on.
 *
 * A list that nobody keeps fresh would let revoked tokens through for ever, so it has an age: the time since all that was revoked then was surely in it.
 */
export interface Revocation {
  /** All that it could revoke has ended by then: it may be forgotten. */
  readonly expiresAtMs: number;
  readonly reason: string;
  /** When it begins: a key that was replaced goes on for a while. @default at once */
  readonly fromMs?: number;
}
export type Revocations = ReadonlyMap<string, Revocation>;

/** What may be revoked: see Link.id and fingerprints. */
export const REVOCABLE = /^[A-Za-z0-9_-]{8,64}$/;

const schema = z.object({ expiresAtMs: z.number(), reason: z.string(), fromMs: z.number().optional() });

/** What stands in Nuwa. An entry that cannot be read counts, at once and for ever: somebody wanted something revoked. */
export function parseRevocation(text: string): Revocation {
  try {
    const { expiresAtMs, reason, fromMs } = schema.parse(JSON.parse(text));
    return { expiresAtMs, reason: reason.slice(0, 200), ...(fromMs === undefined ? {} : { fromMs }) };
  } catch {
    return { expiresAtMs: Number.POSITIVE_INFINITY, reason: 'its entry cannot be read' };
  }
}

export interface AppliedRevocation {
  readonly of: string;
  readonly fromMs: number;
  readonly reason: string;
}

/** The revocation that ends a token first, be it in the future. */
export function applyRevocations(revocableBy: readonly string[], revocations: Revocations): AppliedRevocation | undefined {
  let first: AppliedRevocation | undefined;
  for (const of of revocableBy) {
    const found = revocations.get(of);
    if (!found) continue;
    const fromMs = found.fromMs ?? Number.NEGATIVE_INFINITY;
    if (!first || fromMs < first.fromMs) first = { of, fromMs, reason: found.reason };
  }
  return first;
}

/** The same clock, one that never goes back, for both. */
export const freshUntilMs = (confirmedAtMs: number): number => confirmedAtMs + REVOCATION_FRESH_MS;

/** It revokes nothing any more, by whatever clock. */
export const hasEnded = ({ expiresAtMs }: Revocation, nowMs: number): boolean => expiresAtMs + 2 * CLOCK_SKEW_MS_MAX < nowMs;
