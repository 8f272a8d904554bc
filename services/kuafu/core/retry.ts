/**
 * Whether a failed try may be followed by another. Three facts decide:
 *
 *   ran?       a call that was refused, or never sent, can be sent again whatever it does; one whose connection broke
 *              may have run, so only an idempotent method is sent again;
 *   answered?  errors that a handler gave are answers, and answers are final;
 *   elsewhere? a service address is all the caller knows, so trying goes on until the deadline; one address stands for one
 *              process, and the caller may know another (a second replica): it hears of the failure after a few tries.
 */
export const TRIES_MAX_AT_ONE_ADDRESS = 3;

export interface Failure {
  /** The connection broke before a reply came. */
  broke: boolean;
  /** The handler was surely not reached. */
  neverRan: boolean;
}

export function mayRetry(failure: Failure, options: { idempotent: boolean; manyInstances: boolean; tries: number }): boolean {
  if (!failure.broke && !failure.neverRan) return false;
  if (!failure.neverRan && !options.idempotent) return false;
  return options.manyInstances || options.tries < TRIES_MAX_AT_ONE_ADDRESS;
}
