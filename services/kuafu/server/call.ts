import type { Clock } from '../../base/clock.ts';
import type { Alarm, Alarmed } from '../alarm.ts';
import { type CallContext, KuafuError, type Priority } from '../contract.ts';
import { priorityOf } from '../core/priority.ts';
import type { CallMeter } from '../meter.ts';

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
  /** Of its request. */
  flags = 0;
  /** What was left at the beginning. */
  readonly #allowedMs: number;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  #controller: AbortController | undefined;
  #finished = false;
  /** Why the signal aborted, if it did. */
  abortedWith: KuafuError | undefined;

  constructor(id: number, requestBytes: number, attachment: Buffer, clock: Clock, alarm: Alarm, remainingMs: number, meter: CallMeter) {
    this.id = id;
    this.requestBytes = requestBytes;
    this.attachment = attachment;
    this.#clock = clock;
    this.#alarm = alarm;
    this.meter = meter;
    this.#allowedMs = remainingMs;
    this.atMs = clock.monotonicMs() + remainingMs;
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

  finish(): void {
    this.#finished = true;
    if (this.#controller) this.#alarm.remove(this);
  }
}
