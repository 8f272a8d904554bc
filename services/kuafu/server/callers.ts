import type { Clock } from '../../base/clock.ts';
import { FeitianError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Alarm, Alarmed } from '../alarm.ts';
import { KuafuError } from '../contract.ts';
import type { Frame } from '../core/frame.ts';
import { readIdentify } from '../core/identify.ts';
import { type Caller, type Challenge, NOBODY } from '../guard-contract.ts';
import type { Admission } from './admission.ts';

/**
 * What stands behind one slot: credentials that are being looked at (`admitting`), the caller that came of them, or why none did.
 *
 *   admitting --admit--> admitted | refused --identify--> admitting …
 */
interface Slot {
  state: 'admitting' | 'admitted' | 'refused';
  /** NOBODY unless admitted. */
  caller: Caller;
  failure: KuafuError | undefined;
  /** Requests that came while admitting, in order. */
  waiting: Waiting[];
  timeout: Alarmed | undefined;
}

interface Waiting {
  readonly frame: Frame;
  readonly sinceMs: number;
}

/** A guard looks into memory and at signatures. One that has not decided by then waits for something that is away. */
const ADMISSION_TIMEOUT_MS = 5_000;
const NONE: Slot = {
  state: 'refused',
  caller: NOBODY,
  failure: new KuafuError('Unauthenticated', 'nobody was identified under the number that came with the call', {
    details: { cause: 'NotIdentified' },
  }),
  waiting: [],
  timeout: undefined,
};

export interface CallersOptions {
  admission: Admission;
  /** What only the two ends of the connection know. */
  binding: Uint8Array | undefined;
  clock: Clock;
  alarm: Alarm;
  log: Logger;
  /** A request that waited for its caller goes on. It is handed over like a new one, and `callerOf` knows its caller by then. */
  resume(frame: Frame, waitedMs: number): void;
  /** So many more requests, and bytes of them, wait or wait no longer: they count as under way, so that waiting is as bounded as running. */
  counted(requests: number, bytes: number): void;
}

/** Who calls over one connection, by slot. */
export class Callers {
  readonly challenge: Challenge;
  readonly #options: CallersOptions;
  readonly #slots: (Slot | undefined)[] = [];
  #closed = false;
  /** Requests that wait. */
  waiting = 0;

  constructor(options: CallersOptions) {
    this.#options = options;
    this.challenge = options.admission.newChallenge(options.binding);
  }

  /** NOBODY for slot 0, for a slot whose credentials were refused, and for one that nobody was identified under. */
  callerOf(slot: number): Caller {
    return slot === 0 ? NOBODY : (this.#slots[slot] ?? NONE).caller;
  }

  /** Why there is NOBODY behind a slot that was named. */
  failureOf(slot: number): KuafuError | undefined {
    return slot === 0 ? undefined : (this.#slots[slot] ?? NONE).failure;
  }

  /** Keeps a request whose caller is being looked at. False: it need not wait. */
  maybeWait(frame: Frame): boolean {
    const slot = this.#slots[frame.number];
    if (slot?.state !== 'admitting') return false;
    // The body may lie in a read buffer that is used again.
    slot.waiting.push({ frame: { ...frame, body: Buffer.from(frame.body) }, sinceMs: this.#options.clock.monotonicMs() });
    this.#count(frame, 1);
    return true;
  }

  /** Its caller gave up. False: it does not wait here. */
  withdraw(id: number): boolean {
    for (const slot of this.#slots) {
      const at = slot?.waiting.findIndex(({ frame }) => frame.id === id) ?? -1;
      if (at < 0) continue;
      for (const { frame } of slot!.waiting.splice(at, 1)) this.#count(frame, -1);
      return true;
    }
    return false;
  }

  /** Credentials came. Returns in one sentence what is wrong with the frame itself. */
  identify(frame: Frame, body: unknown): string | undefined {
    const number = frame.id;
    const credentials = readIdentify(number, frame.body.length, body);
    if (typeof credentials === 'string') return credentials;
    const before = this.#slots[number];
    if (before) this.#forget(before);
    const slot: Slot = { state: 'admitting', caller: NOBODY, failure: undefined, waiting: before?.waiting ?? [], timeout: undefined };
    this.#slots[number] = slot;
    const { admission, alarm, clock } = this.#options;
    let admitted: Promise<Caller> | Caller;
    try {
      admitted = admission.guard.admit(credentials, this.challenge);
    } catch (error) {
      this.#refused(number, slot, error);
      return undefined;
    }
    if (!(admitted instanceof Promise)) {
      this.#admitted(number, slot, admitted);
      return undefined;
    }
    const due = (): void => this.#refused(number, slot, new Error(`the guard has not decided within ${ADMISSION_TIMEOUT_MS / 1000} s`));
    slot.timeout = { atMs: clock.monotonicMs() + ADMISSION_TIMEOUT_MS, due };
    alarm.add(slot.timeout);
    admitted.then(
      (caller) => this.#admitted(number, slot, caller),
      (error) => this.#refused(number, slot, error),
    );
    return undefined;
  }

  /** The connection broke: nobody waits any more. */
  close(): void {
    this.#closed = true;
    for (const slot of this.#slots) {
      if (!slot) continue;
      this.#forget(slot);
      for (const { frame } of slot.waiting) this.#count(frame, -1);
      slot.waiting = [];
    }
  }

  #admitted(number: number, slot: Slot, caller: Caller): void {
    if (this.#isOver(number, slot)) return;
    slot.caller = caller;
    this.#decided(slot, 'admitted');
  }

  #refused(number: number, slot: Slot, error: unknown): void {
    if (this.#isOver(number, slot)) return;
    const known = error instanceof FeitianError;
    if (!known) this.#options.log.error({ err: error }, 'kuafu.guard.failed');
    slot.failure = new KuafuError('Unauthenticated', known ? `${error.code}: ${error.reason}` : messageOf(error), {
      details: { cause: known ? error.code : 'Internal' },
    });
    this.#decided(slot, 'refused');
  }

  #decided(slot: Slot, state: 'admitted' | 'refused'): void {
    this.#forget(slot);
    slot.state = state;
    const waiting = slot.waiting;
    slot.waiting = [];
    for (const { frame, sinceMs } of waiting) {
      this.#count(frame, -1);
      this.#options.resume(frame, this.#options.clock.monotonicMs() - sinceMs);
    }
  }

  /** The decision came too late, or the slot is somebody else's by now. */
  #isOver(number: number, slot: Slot): boolean {
    return this.#closed || this.#slots[number] !== slot || slot.state !== 'admitting';
  }

  #forget(slot: Slot): void {
    if (slot.timeout) this.#options.alarm.remove(slot.timeout);
    slot.timeout = undefined;
  }

  #count(frame: Frame, sign: 1 | -1): void {
    this.waiting += sign;
    this.#options.counted(sign, sign * (frame.body.length + frame.attachment.length));
  }
}
