import type { Access } from '../contract.ts';
import { type Caller, NOBODY } from '../guard-contract.ts';

/**
 * Whether a call may be made, decided in two steps. What can be said of the caller alone is said before the request is looked into, so that
 * somebody without an identity costs no more than the look at the method. What the request touches is asked afterwards, from the very values that the
 * handler gets: what is checked is what is used.
 */
export interface Refusal {
  readonly code: 'Unauthenticated' | 'PermissionDenied' | 'Overloaded';
  readonly operation: string;
  readonly resource: string;
  /** One sentence. */
  readonly reason: string;
  /** Of Overloaded. */
  readonly retryAfterMs?: number;
}

/** What `identified` and `open` methods are recorded as: they ask for no operation. */
export const NO_RESOURCE = '';

/** Before the request is read. `failure`: why the credentials that came with the call are none. */
export function refuseCaller(access: Access | undefined, caller: Caller, failure?: string): Refusal | undefined {
  if (access === undefined) return denied('', NO_RESOURCE, 'the method says not who may call it');
  if (access === 'open') return undefined;
  const reason = failure ?? (caller === NOBODY ? caller.refusal('', NO_RESOURCE) : caller.ended());
  if (reason === undefined) return undefined;
  return { code: 'Unauthenticated', operation: operationOf(access), resource: NO_RESOURCE, reason };
}

/** A call that names nothing counts as well, against what its token limits of that subsystem: of `pangu-chunk.read` what begins with `pangu://`. */
export function refuseUnnamedByLimit(access: Access, what: string, bytes: number, caller: Caller): Refusal | undefined {
  return access === 'identified' ? refuseByLimit(what.split(/[-.]/, 1)[0]!, [], bytes, caller) : undefined;
}

/** On each of the resources that `on` found in the request. */
export function refuseResources(operation: string, resources: string | readonly string[], caller: Caller): Refusal | undefined {
  if (typeof resources === 'string') return refuseResource(operation, resources, caller);
  if (resources.length === 0) return denied(operation, NO_RESOURCE, 'the method finds nothing in the request that it would touch');
  for (const resource of resources) {
    const refusal = refuseResource(operation, resource, caller);
    if (refusal) return refusal;
  }
  return undefined;
}

/** A call that would be allowed, and is one too many or too large; it counts from here on. */
export function refuseByLimit(
  operation: string,
  resources: string | readonly string[],
  bytes: number,
  caller: Caller,
): Refusal | undefined {
  const limit = caller.limit?.(operation, resources, bytes);
  if (limit === undefined) return undefined;
  const { reason, retryAfterMs } = limit;
  const resource = typeof resources === 'string' ? resources : (resources[0] ?? NO_RESOURCE);
  if (retryAfterMs === undefined) return denied(operation, resource, reason);
  return { code: 'Overloaded', operation, resource, reason, retryAfterMs };
}

export function operationOf(access: Access): string {
  return typeof access === 'string' ? access : access.operation;
}

function refuseResource(operation: string, resource: string, caller: Caller): Refusal | undefined {
  const reason = caller.refusal(operation, resource);
  return reason === undefined ? undefined : denied(operation, resource, reason);
}

function denied(operation: string, resource: string, reason: string): Refusal {
  return { code: 'PermissionDenied', operation, resource, reason };
}
