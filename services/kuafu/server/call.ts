import type { Clock } from '../../base/clock.ts';
import type { Alarm, Alarmed } from '../alarm.ts';
import { type CallContext, KuafuError, type Priority } from '../contract.ts';
import { priorityOf } from '../core/priority.ts';
import type { Caller } from '../guard-contract.ts';
import type { CallMeter } from '../meter.ts';

export interface CallFacts {
  id: number;
  requestBytes: number;
  attachment: Buffer;
  clock: Clock;
  alarm: Alarm;
  remainingMs: number;
  meter: CallMeter;
  caller: Caller;
  trace: string | undefined;
  /** Of the request's frame. */
  flags: number;
}

/**
 * A call under way at the server; the handler sees it as its context. Most handlers never look at the signal, and an
 * AbortSignal costs more than the rest of a small call, so it is made when it is asked for, and only then does the deadline get an alarm.
 */
export class ServerCall implements CallContext, Alarmed {
  readonly id: number;
  readonly requestBytes: number;
  readonly attachment: Buffer;
  /** The deadline, on the monotonic clock here: durations travel, times do not. */
  readonly atMs: number;
  readonly meter: CallMeter;
  readonly trace: string | undefined;
  readonly caller: Caller;
  /** Of its request. */
  readonly flags: number;
  /** What was left at the beginning. */
  readonly #allowedMs: number;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  #controller: AbortController | undefined;
  #finished = false;
  /** Why the signal aborted, if it did. */
  abortedWith: KuafuError | undefined;

  constructor(facts: CallFacts) {
    this.id = facts.id;
    this.requestBytes = facts.requestBytes;
    this.attachment = facts.attachment;
    this.#clock = facts.clock;
    this.#alarm = facts.alarm;
    this.meter = facts.meter;
    this.caller = facts.caller;
    this.trace = facts.trace;
    this.flags = facts.flags;
    this.#allowedMs = facts.remainingMs;
    this.atMs = facts.clock.monotonicMs() + facts.remainingMs;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.abortedWith) this.#controller.abort(this.abortedWith);
      else if (!this.#finished) this.#alarm.add(this);
    }
    return this.#controller.signal;
  }

  get priority(): Priority {
    return priorityOf(this.flags);
  }

  remainingMs(): number {
    return Math.max(0, this.atMs - this.#clock.monotonicMs());
  }

  tookMs(): number {
    return this.#clock.monotonicMs() - this.atMs + this.#allowedMs;
  }

  due(): void {
    this.abort(new KuafuError('DeadlineExceeded', 'the deadline passed while the call ran'));
  }

  abort(reason: KuafuError): void {
    if (this.#finished || this.abortedWith) return;
    this.abortedWith = reason;
    this.#controller?.abort(reason);
  }

  /** A call may outlive what its caller was let in with. */
  checkCaller(): void {
    const reason = this.caller.ended();
    if (reason !== undefined) this.abort(new KuafuError('Unauthenticated', `while the call ran: ${reason}`));
  }

  finish(): void {
    this.#finished = true;
    if (this.#controller) this.#alarm.remove(this);
  }
}
