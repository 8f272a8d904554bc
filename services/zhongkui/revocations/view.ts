import type { Revocations } from '../core/revocation.ts';

/** What is known of revocations, for whoever asks at each call. */
export interface RevocationView {
  /** Changes with `revocations`. */
  readonly version: number;
  readonly revocations: Revocations;
  /** Of the monotonic clock: until then all that was revoked REVOCATION_FRESH_MS ago is surely known. */
  readonly freshUntilMs: number;
}

/** Where nobody revokes anything: tests, and tools that look at a token by themselves. */
export const NO_REVOCATIONS: RevocationView = { version: 1, revocations: new Map(), freshUntilMs: Number.POSITIVE_INFINITY };
