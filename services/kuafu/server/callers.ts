import type { Clock } from '../../base/clock.ts';
import { FeitianError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Alarm, Alarmed } from '../alarm.ts';
import { KuafuError } from '../contract.ts';
import { FRAME_KINDS, type Frame } from '../core/frame.ts';
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
  /** Requests that came while admitting, and what followed them, in order. */
  waiting: Waiting[];
  timeout: Alarmed | undefined;
}

interface Waiting {
  readonly frame: Frame;
  readonly sinceMs: number;
}

/** A guard looks into memory and at signatures. One that has not decided by then waits for something that is away. */
const ADMISSION_TIMEOUT_MS = 5_000;
/**
 * Credentials that are refused cost a signature or two each. A connection that brought so many in a row is ended if nobody was let in over it; one that somebody else uses as
 * well, as all of a machine do, is kept, and more of them are looked at once a second only.
 */
export const REFUSED_IN_A_ROW_MAX = 32;
const REFUSED_LOOK_MS = 1_000;
/** What may follow requests that wait, messages of streams above all, over one connection; a window of each of a dozen streams. */
const FOLLOWING_BYTES_MAX = 4 * 1024 * 1024;
/** A frame weighs more than its bytes: a flood of empty ones is bounded too. */
const FRAME_WEIGHT_BYTES = 256;

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
  /** A frame that waited goes on. It is handed over like a new one; if it is a request, `callerOf` knows its caller by then. */
  resume(frame: Frame, waitedMs: number): void;
  /** More follows a request than may wait: it waits no longer, and is not to be run. */
  overloaded(id: number): void;
  /** Whether somebody may be behind this connection has changed, see `known`. */
  changed(): void;
  /** So many more requests, and bytes of them, wait or wait no longer: they count as under way, so that waiting is as bounded as running. */
  counted(requests: number, bytes: number): void;
}

/** Who calls over one connection, by slot. */
export class Callers {
  readonly challenge: Challenge;
  readonly #options: CallersOptions;
  readonly #slots: (Slot | undefined)[] = [];
  #closed = false;
  /** The calls that wait, by id, with the slot that they wait for. */
  readonly #calls = new Map<number, Slot>();
  #followingBytes = 0;
  #refusedInARow = 0;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

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
    this.#calls.set(frame.id, slot);
    this.#keep(slot, frame);
    this.#options.counted(1, bytesOf(frame));
    return true;
  }

  /** Keeps what belongs to a call that waits, such as the first messages of a stream. False: its call does not wait. */
  maybeFollow(frame: Frame): boolean {
    const slot = this.#calls.get(frame.id);
    if (!slot) return false;
    this.#followingBytes += weightOf(frame);
    this.#keep(slot, frame);
    if (this.#followingBytes > FOLLOWING_BYTES_MAX) {
      this.withdraw(frame.id);
      this.#options.overloaded(frame.id);
    }
    return true;
  }

  /** Somebody was let in over this connection, or may be in a moment. */
  get known(): boolean {
    return this.#slots.some((slot) => slot !== undefined && slot.state !== 'refused');
  }

  isWaiting(id: number): boolean {
    return this.#calls.has(id);
  }

  /** Calls that wait. */
  get waiting(): number {
    return this.#calls.size;
  }

  /** Its caller gave up. False: it does not wait here. */
  withdraw(id: number): boolean {
    const slot = this.#calls.get(id);
    if (!slot) return false;
    for (const { frame } of slot.waiting) if (frame.id === id) this.#release(frame);
    slot.waiting = slot.waiting.filter(({ frame }) => frame.id !== id);
    return true;
  }

  /** Credentials came. Returns in one sentence what is wrong with the frame itself. */
  identify(frame: Frame, body: unknown): string | undefined {
    const number = frame.id;
    const credentials = readIdentify(number, frame.body.length, body);
    if (typeof credentials === 'string') return credentials;
    const tooMany = this.#refusedInARow >= REFUSED_IN_A_ROW_MAX;
    if (tooMany && !this.#slots.some((slot) => slot?.state === 'admitted'))
      return `credentials again, after ${REFUSED_IN_A_ROW_MAX} in a row that were refused`;
    const before = this.#slots[number];
    if (before) this.#forget(before);
    // A caller that replaces what is being looked at has its requests run as whoever that becomes.
    const slot: Slot = { state: 'admitting', caller: NOBODY, failure: undefined, waiting: before?.waiting ?? [], timeout: undefined };
    this.#slots[number] = slot;
    this.#options.changed();
    for (const { frame } of slot.waiting) this.#calls.set(frame.id, slot);
    const { admission, alarm, clock } = this.#options;
    if (tooMany && clock.monotonicMs() - this.#lookedAtMs < REFUSED_LOOK_MS) {
      this.#refused(number, slot, new KuafuError('Unauthenticated', 'too many credentials came over this connection that were refused'));
      return undefined;
    }
    this.#lookedAtMs = clock.monotonicMs();
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
    const late = `the guard has not decided within ${ADMISSION_TIMEOUT_MS / 1000} s`;
    const due = (): void => this.#refused(number, slot, new Error(late), late);
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
      for (const { frame } of slot.waiting) this.#release(frame);
      slot.waiting = [];
    }
  }

  #admitted(number: number, slot: Slot, caller: Caller): void {
    if (this.#isOver(number, slot)) return;
    this.#refusedInARow = 0;
    slot.caller = caller;
    this.#decided(slot, 'admitted');
  }

  /** `told`: to the caller, of what is no typed error. */
  #refused(number: number, slot: Slot, error: unknown, told = 'the guard failed'): void {
    if (this.#isOver(number, slot)) return;
    this.#refusedInARow++;
    const known = error instanceof FeitianError;
    if (!known) this.#options.log.error({ err: error }, 'kuafu.guard.failed');
    slot.failure = new KuafuError('Unauthenticated', known ? `${error.code}: ${error.reason}` : told, {
      details: { cause: known ? error.code : 'Internal' },
    });
    this.#decided(slot, 'refused');
  }

  #decided(slot: Slot, state: 'admitted' | 'refused'): void {
    this.#forget(slot);
    slot.state = state;
    this.#options.changed();
    const waiting = slot.waiting;
    slot.waiting = [];
    // All are let go before the first goes on, so that what follows a request finds it running.
    for (const { frame } of waiting) this.#release(frame);
    for (const { frame, sinceMs } of waiting) {
      if (this.#closed) return; // what was resumed may have ended the connection
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

  /** The body may lie in a read buffer that is used again. */
  #keep(slot: Slot, frame: Frame): void {
    slot.waiting.push({ frame: { ...frame, body: Buffer.from(frame.body) }, sinceMs: this.#options.clock.monotonicMs() });
  }

  #release(frame: Frame): void {
    if (frame.kind !== FRAME_KINDS.request) {
      this.#followingBytes -= weightOf(frame);
      return;
    }
    this.#calls.delete(frame.id);
    this.#options.counted(-1, -bytesOf(frame));
  }
}

function bytesOf(frame: Frame): number {
  return frame.body.length + frame.attachment.length;
}

function weightOf(frame: Frame): number {
  return FRAME_WEIGHT_BYTES + bytesOf(frame);
}
