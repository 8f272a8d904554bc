/**
 * How the authority's key is exchanged while everything goes on.
 *
 * A *root* is a key of the authority with its self-signed certificate. Three things may not happen: a machine is shown a certificate by a root that it has not
 * heard of; a certificate that has not expired is by a root that nobody trusts any more; two roots sign by turns. Machines hear of roots with each of their own
 * certificates, so whoever has a valid certificate has heard of all that was announced a certificate's life ago. Hence three steps, each a lifetime long, and
 * all of them follow from one number per root, the time from which it signs:
 *
 *   announced   trusted by all who renew, signs nothing yet
 *   signing     the latest root whose time has come
 *   superseded  another one signs; trusted until the last certificate by it has expired, its key is thrown away
 */
export interface RootTimes {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** No two roots have the same. */
  readonly signsFromMs: number;
}

/** Of a machine's certificate. A stolen one is good for so long at most; an authority may be away for a third of it. */
export const CERTIFICATE_LIFE_MS = 24 * 3_600_000;
/** Certificates begin so much before they are made: a machine whose clock is behind takes them at once. */
export const CERTIFICATE_BACKDATE_MS = 5 * 60_000;
/** From announcing a root to its first signature: a certificate's life, and an hour for clocks and slow answers. */
export const ANNOUNCED_MS = CERTIFICATE_LIFE_MS + 3_600_000;
/** How long a superseded root is trusted. */
export const SUPERSEDED_MS = CERTIFICATE_LIFE_MS + 3_600_000;
/** Two years, of which a root signs for about one: its successor is announced at half its life. */
export const ROOT_LIFE_MS = 2 * 365 * 24 * 3_600_000;

/** By the time from which they sign. */
function inOrder<R extends RootTimes>(roots: readonly R[]): R[] {
  return [...roots].sort((a, b) => a.signsFromMs - b.signsFromMs);
}

/** The one that signs; undefined where no root's time has come, or it has run out. */
export function signingRoot<R extends RootTimes>(roots: readonly R[], nowMs: number): R | undefined {
  const signing = inOrder(roots).findLast((root) => root.signsFromMs <= nowMs);
  return signing && nowMs < signing.notAfterMs - CERTIFICATE_LIFE_MS ? signing : undefined;
}

/** Those a machine trusts: announced, signing, and superseded ones that may have certificates left. */
export function trustedRoots<R extends RootTimes>(roots: readonly R[], nowMs: number): R[] {
  const ordered = inOrder(roots);
  return ordered.filter((root, i) => {
    const successor = ordered[i + 1];
    return nowMs < root.notAfterMs && (successor === undefined || nowMs < successor.signsFromMs + SUPERSEDED_MS);
  });
}

/** Whether it will ever sign again: otherwise its private key is of no use but to a thief. */
export function needsKey<R extends RootTimes>(roots: readonly R[], root: R, nowMs: number): boolean {
  const signing = signingRoot(roots, nowMs);
  return root === signing || root.signsFromMs > nowMs;
}

/** Why no root can be announced now; undefined: it can. One exchange at a time, so that no machine need trust more than three. */
export function rotationProblem(roots: readonly RootTimes[], nowMs: number): string | undefined {
  if (roots.some((root) => root.signsFromMs > nowMs)) return 'a root is announced already and does not sign yet';
  if (trustedRoots(roots, nowMs).length > 1) return 'the root before the present one has certificates that are not expired';
  return undefined;
}

/** Whether it is time for the next one. */
export function rotationDue(roots: readonly RootTimes[], nowMs: number): boolean {
  const latest = inOrder(roots).at(-1);
  if (latest === undefined || rotationProblem(roots, nowMs) !== undefined) return false;
  return nowMs >= latest.notBeforeMs + (latest.notAfterMs - latest.notBeforeMs) / 2;
}
