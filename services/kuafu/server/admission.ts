import { randomBytes } from 'node:crypto';
import { type AnyMethod, KuafuError } from '../contract.ts';
import {
  NO_RESOURCE,
  operationOf,
  type Refusal,
  refuseByLimit,
  refuseCaller,
  refuseResources,
  refuseUnnamedByLimit,
} from '../core/access.ts';
import { NONCE_BYTES } from '../core/identify.ts';
import { type Caller, type Challenge, type Guard, NOBODY } from '../guard-contract.ts';

/** What is asked for: one method of one service, as the server keeps it. */
export interface Asked {
  /** `pangu-master.stat`. */
  readonly what: string;
  readonly method: AnyMethod;
}

/**
 * Lets calls and streams in, or not, and tells the guard which. One for each server that has a guard; who calls is found by callers.ts.
 */
export class Admission {
  readonly guard: Guard;
  readonly #cluster: string;

  constructor(guard: Guard, cluster: string) {
    this.guard = guard;
    this.#cluster = cluster;
  }

  newChallenge(binding: Uint8Array | undefined): Challenge {
    const challenge = { nonce: new Uint8Array(randomBytes(NONCE_BYTES)), cluster: this.#cluster };
    return binding ? { ...challenge, binding } : challenge;
  }

  /** Before the request is read: why this caller may not ask at all. */
  refuseCaller(asked: Asked, caller: Caller, failure?: KuafuError): KuafuError | undefined {
    const refusal = refuseCaller(asked.method.access, caller, failure?.reason);
    return refusal && this.#refuse(asked, caller, refusal, failure?.details);
  }

  /** Once the request is read, right before the handler: why this caller may not ask that. Throws what `on` throws for a request that names nothing. */
  refuseRequest(asked: Asked, caller: Caller, request: unknown, requestBytes: number): KuafuError | undefined {
    const { guard } = this;
    const access = asked.method.access!;
    if (typeof access === 'string') {
      const refusal = refuseUnnamedByLimit(access, asked.what, requestBytes, caller);
      if (refusal) return this.#refuse(asked, caller, refusal);
      guard.allowed(caller, asked.what, access, NO_RESOURCE);
      return undefined;
    }
    const { operation } = access;
    const resources = this.#resources(asked, caller, request);
    const refusal = refuseResources(operation, resources, caller) ?? refuseByLimit(operation, resources, requestBytes, caller);
    if (refusal) return this.#refuse(asked, caller, refusal);
    if (typeof resources === 'string') guard.allowed(caller, asked.what, operation, resources);
    else for (const resource of resources) guard.allowed(caller, asked.what, operation, resource);
    return undefined;
  }

  /** A handler looked closer, at what its request does not name. Why it refused is told to the audit log in full, and to the caller as the handler put it. */
  refusedByHandler(what: string, caller: Caller, error: KuafuError): void {
    const { operation = '', resource = NO_RESOURCE } = error.details;
    this.guard.refused(
      caller,
      what,
      String(operation),
      String(resource),
      error.cause instanceof Error ? error.cause.message : error.reason,
    );
  }

  /** A request of nobody that was too large to be kept, whatever it was for. */
  refusedUnread(reason: string): void {
    this.guard.refused(NOBODY, '', '', NO_RESOURCE, reason);
  }

  #resources(asked: Asked, caller: Caller, request: unknown): string | readonly string[] {
    const access = asked.method.access as { operation: string; on(request: unknown, cluster: string): string | readonly string[] };
    try {
      return access.on(request, this.#cluster);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.guard.refused(caller, asked.what, operationOf(access as never), NO_RESOURCE, reason);
      throw error;
    }
  }

  #refuse(asked: Asked, caller: Caller, refusal: Refusal, details?: Readonly<Record<string, unknown>>): KuafuError {
    const { code, operation, resource, reason, retryAfterMs } = refusal;
    this.guard.refused(caller, asked.what, operation, resource, reason);
    return new KuafuError(code, `${asked.what}: ${reason}`, {
      details: code === 'Unauthenticated' ? { ...details } : code === 'Overloaded' ? { retryAfterMs } : { operation, resource },
    });
  }
}
