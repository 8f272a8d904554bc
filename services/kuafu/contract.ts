import type { z } from 'zod';
import { type ErrorClass, FeitianError } from '../base/errors.ts';

/**
 * Kuafu's public words. A service is declared once, in its room's `contract.ts`, with `defineService`; the types of its
 * client and of its handlers follow from that declaration. Calls are unary: one request, one reply; both may carry one
 * *attachment*, raw bytes outside the MessagePack body that are never copied or decoded.
 */
export const KUAFU_CODES = [
  'Cancelled', // the caller gave up
  'DeadlineExceeded', // the caller's deadline passed, here or there
  'Unavailable', // no connection, or it broke before the reply: the call may or may not have run
  'InvalidRequest', // the request does not fit its schema
  'Unimplemented', // no such service or method at this address
  'Overloaded', // refused before it ran; details.retryAfterMs
  'Internal', // the handler failed with something that is not a typed error
] as const;
export type KuafuCode = (typeof KUAFU_CODES)[number];

export class KuafuError extends FeitianError<KuafuCode> {
  static readonly codes = KUAFU_CODES;
}

export interface Method<Request extends z.ZodType = z.ZodType, Response extends z.ZodType = z.ZodType, Attached extends boolean = boolean> {
  readonly request: Request;
  readonly response: Response;
  /** The reply carries an attachment: handlers return `{ body, attachment }`, callers receive it. @default false */
  readonly replyAttachment: Attached;
  /** May be sent again after `Unavailable`. @default false */
  readonly idempotent: boolean;
}

export interface ServiceContract<Methods extends Record<string, Method> = Record<string, Method>> {
  readonly name: string;
  readonly methods: Methods;
  /** The subsystem's own error class; the client rebuilds it, so that `catch` looks the same as for a local call. */
  readonly errors: ErrorClass;
}

export function method<Request extends z.ZodType, Response extends z.ZodType>(spec: {
  request: Request;
  response: Response;
  idempotent?: boolean;
  replyAttachment?: false;
}): Method<Request, Response, false>;
export function method<Request extends z.ZodType, Response extends z.ZodType>(spec: {
  request: Request;
  response: Response;
  idempotent?: boolean;
  replyAttachment: true;
}): Method<Request, Response, true>;
export function method(spec: { request: z.ZodType; response: z.ZodType; idempotent?: boolean; replyAttachment?: boolean }): Method {
  return { idempotent: false, replyAttachment: false, ...spec };
}

export function defineService<Methods extends Record<string, Method>>(
  name: string,
  options: { errors: ErrorClass; methods: Methods },
): ServiceContract<Methods> {
  return { name, methods: options.methods, errors: options.errors };
}

/**
 * Bytes of an attachment, in one or several pieces that are written one after the other without being joined. They are not copied
 * either: who sends them leaves them as they are until the call has ended (a caller), or for good (a handler).
 */
export type Attachment = Uint8Array | readonly Uint8Array[];

export interface CallOptions {
  /** How long the caller will wait, retries included; the handler sees what is left of it. @default 10_000 */
  timeoutMs?: number;
  /** How long one try of an idempotent method may take before another instance is asked. @default that of the service, or all of `timeoutMs` */
  tryTimeoutMs?: number;
  signal?: AbortSignal;
  attachment?: Attachment;
}

/**
 * Which instance of a service a call goes to, of those that this call has not tried and that are not known to be unwell:
 *
 *   roundRobin    the next in turn
 *   leastPending  the one that owes this client the fewest replies
 *   one           always the same, until it fails: what was done there is seen there, and connections stay few
 *   rendezvous    the same for equal keys, while it is there; when an instance comes or goes only its own keys move
 */
export type PickRule<S extends ServiceContract = ServiceContract> =
  | 'roundRobin'
  | 'leastPending'
  | 'one'
  | { rendezvous: (request: RequestOf<S>) => string };

/** What any of the service's methods is asked with. */
export type RequestOf<S extends ServiceContract> = {
  [Name in keyof S['methods']]: z.input<S['methods'][Name]['request']>;
}[keyof S['methods']];

export interface ServiceOptions<S extends ServiceContract = ServiceContract> {
  /** @default roundRobin */
  pick?: PickRule<S>;
  /** Of each call that does not say otherwise. */
  tryTimeoutMs?: number;
  /** Codes of the service's own errors that hold for one instance only: idempotent methods are tried at the others before the caller hears of it. */
  elsewhere?: readonly string[];
}

export interface CallContext {
  /** Aborts when the caller cancels, its connection breaks or its deadline passes. */
  readonly signal: AbortSignal;
  /** Milliseconds the caller will still wait. */
  remainingMs(): number;
  /** The request's attachment; empty when there is none. Valid as long as it is referenced; `recycleAttachment` (client.ts) may end that earlier. */
  readonly attachment: Buffer;
}

type Replied<M extends Method> =
  M extends Method<z.ZodType, infer Response, infer Attached>
    ? Attached extends true
      ? { body: z.output<Response>; attachment: Buffer }
      : z.output<Response>
    : never;

type Returned<M extends Method> =
  M extends Method<z.ZodType, infer Response, infer Attached>
    ? Attached extends true
      ? { body: z.input<Response>; attachment: Attachment }
      : z.input<Response>
    : never;

/** What a caller holds: one function per method. */
export type ServiceClient<S extends ServiceContract> = {
  readonly [Name in keyof S['methods']]: (
    request: z.input<S['methods'][Name]['request']>,
    options?: CallOptions,
  ) => Promise<Replied<S['methods'][Name]>>;
};

/** What a server gives: one function per method. */
export type ServiceHandlers<S extends ServiceContract> = {
  readonly [Name in keyof S['methods']]: (
    request: z.output<S['methods'][Name]['request']>,
    context: CallContext,
  ) => Promise<Returned<S['methods'][Name]>>;
};

/** A contract with the functions that fulfil it; `implement` in server.ts makes one. */
export interface Implementation {
  readonly contract: ServiceContract;
  // biome-ignore lint/suspicious/noExplicitAny: handlers of many services stand in one list; `implement` checked each.
  readonly handlers: Readonly<Record<string, (request: any, context: CallContext) => Promise<any>>>;
}

/**
 * Turns a `nuwa://` address into `tcp://` ones. Filled in by Nuwa's client, so that Kuafu does not know Nuwa.
 * An address that ends in `/` names a service: any instance will do. Otherwise it names one instance.
 */
export interface Resolver {
  resolve(address: string, signal?: AbortSignal): Promise<string[]>;
  /** A call to `tcpAddress` broke: what is cached about `address` may be old. */
  suspect(address: string, tcpAddress: string): void;
  /** The instance's name, which it keeps when it moves to another address; the address stands for it where there is none. */
  nameOf?(address: string, tcpAddress: string): string | undefined;
}

export interface KuafuClient {
  /** `address`: `tcp://host:port`, `mem://name`, `nuwa://cluster/service/` or `nuwa://cluster/service/instance`. */
  service<S extends ServiceContract>(contract: S, address: string, options?: ServiceOptions<S>): ServiceClient<S>;
  close(): Promise<void>;
}

export interface KuafuServer {
  /** The address others can call, with the port that was bound. */
  readonly address: string;
  /** Stops accepting, lets calls under way finish (up to `graceMs`, @default 5_000), closes. */
  close(options?: { graceMs?: number }): Promise<void>;
}
