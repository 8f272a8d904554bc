import { z } from 'zod';
import { type ErrorClass, FeitianError } from '../base/errors.ts';
import type { Caller, Identity } from './guard.ts';

/**
 * Kuafu's public words. A service is declared once, in its room's `contract.ts`, with `defineService`; the types of its
 * client and of its handlers follow from that declaration. A call is one request and one reply, both of which may carry one
 * *attachment*, raw bytes outside the MessagePack body that are never copied or decoded; between them a *stream method* carries any number of messages
 * either way, each with an attachment of its own, within the credit that its reader gives.
 */
export const KUAFU_CODES = [
  'Cancelled', // the caller gave up
  'DeadlineExceeded', // the caller's deadline passed, here or there
  'Unavailable', // no connection, or it broke before the reply: the call may or may not have run
  'InvalidRequest', // the request does not fit its schema
  'Unimplemented', // no such service or method at this address
  'Overloaded', // refused before it ran; details.retryAfterMs
  'Unauthenticated', // no identity came with the call, or it was refused; details.cause (Zhongkui's code)
  'PermissionDenied', // the identity may not do this; details.operation, details.resource
  'Internal', // the handler failed with something that is not a typed error
] as const;
export type KuafuCode = (typeof KUAFU_CODES)[number];

export class KuafuError extends FeitianError<KuafuCode> {
  static readonly codes = KUAFU_CODES;
}

/**
 * Who may call a method. It is checked before the handler runs; a method that says nothing is refused by every server that has a guard.
 *
 *   open       anybody, without an identity: for what must work before one has any
 *   identified whoever has a valid identity
 *   { operation, on }  whoever may do `operation` on all the resources that `on` finds in the request, such as `read` on `pangu://local/books`
 *
 * `on` is pure and gets the request as its schema made it. No resource at all is a bug in the contract, and is refused.
 */
export type Access<Request = never> =
  | 'open'
  | 'identified'
  | { readonly operation: string; on(request: Request, cluster: string): string | readonly string[] };

export interface Method<Request extends z.ZodType = z.ZodType, Response extends z.ZodType = z.ZodType, Attached extends boolean = boolean> {
  readonly kind: 'unary';
  readonly request: Request;
  readonly response: Response;
  /** The reply carries an attachment: handlers return `{ body, attachment }`, callers receive it. @default false */
  readonly replyAttachment: Attached;
  /** May be sent again after `Unavailable`. @default false */
  readonly idempotent: boolean;
  readonly access?: Access;
}

/** A call with messages between its request and its reply. It is never sent again by Kuafu: what was said cannot be unsaid. */
export interface StreamMethod<
  Request extends z.ZodType = z.ZodType,
  Response extends z.ZodType = z.ZodType,
  Up extends z.ZodType = z.ZodType,
  Down extends z.ZodType = z.ZodType,
> {
  readonly kind: 'stream';
  readonly request: Request;
  readonly response: Response;
  /** A message from the caller; `z.never()`: it sends none. */
  readonly up: Up;
  /** A message to the caller; `z.never()`: it gets none. */
  readonly down: Down;
  readonly access?: Access;
}

export type AnyMethod = Method | StreamMethod;

export interface ServiceContract<Methods extends Record<string, AnyMethod> = Record<string, AnyMethod>> {
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
  access?: Access<z.output<NoInfer<Request>>>;
}): Method<Request, Response, false>;
export function method<Request extends z.ZodType, Response extends z.ZodType>(spec: {
  request: Request;
  response: Response;
  idempotent?: boolean;
  replyAttachment: true;
  access?: Access<z.output<NoInfer<Request>>>;
}): Method<Request, Response, true>;
export function method(spec: {
  request: z.ZodType;
  response: z.ZodType;
  idempotent?: boolean;
  replyAttachment?: boolean;
  access?: Access;
}): Method {
  return { kind: 'unary', idempotent: false, replyAttachment: false, ...spec };
}

export function streamMethod<
  Request extends z.ZodType,
  Response extends z.ZodType,
  Up extends z.ZodType = z.ZodNever,
  Down extends z.ZodType = z.ZodNever,
>(spec: {
  request: Request;
  response: Response;
  up?: Up;
  down?: Down;
  access?: Access<z.output<NoInfer<Request>>>;
}): StreamMethod<Request, Response, Up, Down> {
  return { kind: 'stream', ...spec, up: spec.up ?? z.never(), down: spec.down ?? z.never() } as unknown as StreamMethod<
    Request,
    Response,
    Up,
    Down
  >;
}

export function defineService<Methods extends Record<string, AnyMethod>>(
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
  /**
   * How long the caller will wait, retries included; the handler sees what is left of it. A stream is given 10 s to be opened and then lasts as long as it
   * lasts, unless this says otherwise. @default 10_000
   */
  timeoutMs?: number;
  /** How long one try of an idempotent method may take before another instance is asked. @default that of the service, or all of `timeoutMs` */
  tryTimeoutMs?: number;
  signal?: AbortSignal;
  attachment?: Attachment;
  /** What goes first where connection or server have more than they can do at once. @default normal */
  priority?: Priority;
  /** Compress the bodies and attachments of this call, both ways, where that makes them smaller. @default false */
  compress?: boolean;
  /** Of an idempotent method of a service with several instances: ask a second one too when the first has not answered in this time; the first answer counts. @default never */
  hedgeAfterMs?: number;
}

/** `low`: bulk that can wait, refused first under load. `high`: small calls on which others wait, such as heartbeats. */
export const PRIORITIES = ['low', 'normal', 'high'] as const;
export type Priority = (typeof PRIORITIES)[number];

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
  readonly priority: Priority;
  /** Who calls. `NOBODY` (guard.ts) where the server has no guard, or the method is open and no identity came. */
  readonly caller: Caller;
}

/** A message of a stream with its attachment, empty when there is none. */
export interface StreamMessage<T> {
  body: T;
  attachment: Buffer;
}

/**
 * A stream as its caller holds it. Its reader's credit bounds what is on the way: `send` resolves when there is credit for the next message, so a
 * caller that awaits each holds no more than one. Leaving the iteration early cancels the call.
 */
export interface StreamCall<Up, Down, Response> extends AsyncIterable<StreamMessage<Down>> {
  /** Rejects with what ended the call if it is over. */
  send(body: Up, attachment?: Attachment): Promise<void>;
  /** No more messages from here. */
  end(): void;
  /** The handler's reply, after its last message. Rejects with what went wrong; nobody need look (it is never an unhandled rejection). */
  readonly reply: Promise<Response>;
  cancel(reason?: unknown): void;
}

/** A stream as its handler holds it: iterate what the caller sends, `send` to it, return the reply. */
export interface StreamContext<Up, Down> extends CallContext {
  readonly incoming: AsyncIterable<StreamMessage<Up>>;
  send(body: Down, attachment?: Attachment): Promise<void>;
}

type Replied<M> =
  M extends Method<z.ZodType, infer Response, infer Attached>
    ? Attached extends true
      ? { body: z.output<Response>; attachment: Buffer }
      : z.output<Response>
    : never;

type Returned<M> =
  M extends Method<z.ZodType, infer Response, infer Attached>
    ? Attached extends true
      ? { body: z.input<Response>; attachment: Attachment }
      : z.input<Response>
    : never;

/** What a caller holds: one function per method. */
export type ServiceClient<S extends ServiceContract> = {
  readonly [Name in keyof S['methods']]: S['methods'][Name] extends StreamMethod<infer Request, infer Response, infer Up, infer Down>
    ? (request: z.input<Request>, options?: CallOptions) => StreamCall<z.input<Up>, z.output<Down>, z.output<Response>>
    : (request: z.input<S['methods'][Name]['request']>, options?: CallOptions) => Promise<Replied<S['methods'][Name]>>;
};

/** What a server gives: one function per method. */
export type ServiceHandlers<S extends ServiceContract> = {
  readonly [Name in keyof S['methods']]: S['methods'][Name] extends StreamMethod<infer Request, infer Response, infer Up, infer Down>
    ? (request: z.output<Request>, context: StreamContext<z.output<Up>, z.input<Down>>) => Promise<z.input<Response>>
    : (request: z.output<S['methods'][Name]['request']>, context: CallContext) => Promise<Returned<S['methods'][Name]>>;
};

/** A contract with the functions that fulfil it; `implement` in server.ts makes one. */
export interface Implementation {
  readonly contract: ServiceContract;
  // biome-ignore lint/suspicious/noExplicitAny: handlers of many services stand in one list; `implement` checked each.
  readonly handlers: Readonly<Record<string, (request: any, context: any) => Promise<any>>>;
}

/**
 * Turns a `nuwa://` address into `tcp://` ones. Filled in by Nuwa's client, so that Kuafu does not know Nuwa.
 * An address that ends in `/` names a service: any instance will do. Otherwise it names one instance.
 */
export interface Resolver {
  resolve(address: string, signal?: AbortSignal): Promise<string[]>;
  /** A call to `tcpAddress` broke, was not answered, or could not be taken: what is cached about `address` may be old. */
  suspect(address: string, tcpAddress: string): void;
  /** The instance's name, which it keeps when it moves to another address; the address stands for it where there is none. */
  nameOf?(address: string, tcpAddress: string): string | undefined;
}

export interface KuafuClient {
  /** `address`: `tcp://host:port`, `tls://host:port`, `unix:///path`, `mem://name`, `nuwa://cluster/service/` or `nuwa://cluster/service/instance`. */
  service<S extends ServiceContract>(contract: S, address: string, options?: ServiceOptions<S>): ServiceClient<S>;
  /** The same connections, with calls made as somebody else: for a process that works for several. Closing it closes nothing. */
  as(identity: Identity): KuafuClient;
  close(): Promise<void>;
}

export interface KuafuServer {
  /** The address others can call, with the port that was bound. */
  readonly address: string;
  /** Stops accepting, lets calls under way finish (up to `graceMs`, @default 5_000), closes. */
  close(options?: { graceMs?: number }): Promise<void>;
}
