import { type FeitianError, hasCode, messageOf } from '../../base/errors.ts';
import type { Alarm, Alarmed } from '../alarm.ts';
import { decodeBody } from '../codec.ts';
import { type AnyMethod, type Attachment, KuafuError, type ServiceContract } from '../contract.ts';
import type { Frame } from '../core/frame.ts';
import { errorFromBody } from '../core/messages.ts';
import type { CallMeter } from '../meter.ts';
import { parseWith } from '../schema.ts';
import { byteLength } from '../transports/outbox.ts';
import type { ClientConnection, PendingCall } from './connection.ts';

/** A connection broke before the reply came. */
export class Broken extends Error {}

/** The instance has been silent for a while, and another, or a way around whoever is between, could answer. */
export class Silent extends Error {}

/** One try of a call over one connection: a promise that settles by reply, error, break, deadline or abort, whichever is first. */
export class CallTry implements PendingCall, Alarmed {
  readonly atMs: number;
  readonly promise: Promise<unknown>;
  readonly slot: number;
  readonly #contract: ServiceContract;
  readonly #name: string;
  readonly #method: AnyMethod;
  readonly #meter: CallMeter;
  readonly #connection: ClientConnection;
  readonly #alarm: Alarm;
  readonly #signal: AbortSignal | undefined;
  readonly id: number;
  /** Only of a call that may be made again, see PendingCall. */
  readonly silent: ((reason: string) => void) | undefined;
  readonly othersLeft: boolean;
  #resolve!: (value: unknown) => void;
  #reject!: (error: Error) => void;

  constructor(options: {
    contract: ServiceContract;
    name: string;
    method: AnyMethod;
    meter: CallMeter;
    connection: ClientConnection;
    alarm: Alarm;
    deadlineMs: number;
    signal: AbortSignal | undefined;
    slot: number;
    flags: number;
    body: Uint8Array;
    attachment: Attachment | undefined;
    /** It may be made again. */
    idempotent: boolean;
    /** Another instance could answer. */
    othersLeft: boolean;
  }) {
    this.atMs = options.deadlineMs;
    this.slot = options.slot;
    this.#contract = options.contract;
    this.#name = options.name;
    this.#method = options.method;
    this.#meter = options.meter;
    this.#connection = options.connection;
    this.#alarm = options.alarm;
    this.#signal = options.signal;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.silent = options.idempotent ? (reason) => this.giveUp(new Silent(reason)) : undefined;
    this.othersLeft = options.othersLeft;
    this.#alarm.add(this);
    this.#signal?.addEventListener('abort', this);
    this.#meter.sent(options.body.length + byteLength(options.attachment));
    this.id = options.connection.call(this, options.flags, options.body, options.attachment);
  }

  replied(frame: Frame): void {
    this.#settled();
    this.#meter.received(frame.body.length + frame.attachment.length);
    try {
      const { value, problem } = parseWith(this.#method.response, decodeBody(frame.body));
      if (problem) throw new Error(problem.text);
      this.#resolve(this.#method.kind === 'unary' && this.#method.replyAttachment ? { body: value, attachment: frame.attachment } : value);
    } catch (error) {
      this.#reject(new KuafuError('Internal', `the reply of ${this.#contract.name}.${this.#name} does not fit: ${messageOf(error)}`));
    }
  }

  failed(frame: Frame): void {
    this.#settled();
    let error: FeitianError;
    try {
      error = errorFromBody(decodeBody(frame.body), this.#contract);
    } catch (cause) {
      error = new KuafuError('Internal', `the server answered with an error that is no MessagePack: ${messageOf(cause)}`);
    }
    if (hasCode(error, 'Unauthenticated')) this.#connection.slotRefused(this.slot);
    this.#reject(error);
  }

  broken(reason: string): void {
    this.#settled();
    this.#reject(new Broken(reason));
  }

  due(): void {
    this.giveUp(new KuafuError('DeadlineExceeded', `no reply of ${this.#contract.name}.${this.#name} in time`));
  }

  /** The caller's signal aborted. */
  handleEvent(): void {
    this.giveUp(new KuafuError('Cancelled', `${this.#contract.name}.${this.#name} was cancelled`, { cause: this.#signal?.reason }));
  }

  giveUp(error: Error): void {
    this.#settled();
    this.#connection.cancel(this.id);
    this.#reject(error);
  }

  #settled(): void {
    this.#alarm.remove(this);
    this.#signal?.removeEventListener('abort', this);
  }
}
