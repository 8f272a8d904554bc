import { FeitianError } from '../base/errors.ts';
import { SECONDS } from '../base/seconds.ts';

/**
 * What Kuafu counts in this process. A call takes some ten microseconds, so counting one is adding to plain fields of an object that the caller
 * found beforehand; metrics.ts says what it means, and tell.ts hands it over when somebody asks. Nothing here loads a metrics library:
 * containers and commands make calls too, and start often.
 */
export type Side = 'client' | 'server';

/** The calls of one method, seen from one side. */
export class CallMeter {
  readonly side: Side;
  readonly service: string;
  readonly method: string;
  /** Calls that ended well, the most common way by far. */
  ok = 0;
  readonly failures = new Map<string, number>();
  /** Of `failures` those that never reached a handler; counted by servers. */
  readonly refusals = new Map<string, number>();
  /** How many took at most the bound of the same place in SECONDS, and longer than the one before; the last: longer than all. */
  readonly buckets: number[] = new Array(SECONDS.length + 1).fill(0);
  sumMs = 0;
  /** Of bodies and attachments, as seen from here. */
  bytesIn = 0;
  bytesOut = 0;
  /** Of streams. */
  messagesIn = 0;
  messagesOut = 0;
  /** Sends that wait for credit now, those that waited and do no more, and for how long they did. */
  creditWaiting = 0;
  creditWaits = 0;
  creditWaitedMs = 0;

  constructor(side: Side, service: string, method: string) {
    this.side = side;
    this.service = service;
    this.method = method;
  }

  succeeded(tookMs: number): void {
    this.ok++;
    this.#took(tookMs);
  }

  failed(code: string, tookMs: number): void {
    this.failures.set(code, (this.failures.get(code) ?? 0) + 1);
    this.#took(tookMs);
  }

  refused(code: string): void {
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
    this.failed(code, 0);
  }

  sent(bytes: number): void {
    this.bytesOut += bytes;
  }

  received(bytes: number): void {
    this.bytesIn += bytes;
  }

  #took(ms: number): void {
    this.sumMs += ms;
    let at = 0;
    while (at < BOUNDS_MS.length && ms > BOUNDS_MS[at]!) at++;
    this.buckets[at]!++;
  }
}

const BOUNDS_MS = SECONDS.map((seconds) => seconds * 1000);

/** Of all clients and servers of this process. */
export const meters: CallMeter[] = [];
const byName = new Map<string, CallMeter>();

export function meterOf(side: Side, service: string, method: string): CallMeter {
  const name = `${side} ${service} ${method}`;
  let meter = byName.get(name);
  if (!meter) {
    meter = new CallMeter(side, service, method);
    byName.set(name, meter);
    meters.push(meter);
  }
  return meter;
}

/** Bytes of frames over TCP, calls under way at servers, open connections, messages of streams that wait to be read. */
export const totals = {
  unreadBytes: 0,
  bytesIn: 0,
  bytesOut: 0,
  callsInFlight: 0,
  clientConnections: 0,
  serverConnections: 0,
  /** Times that an instance was left alone because its tries failed. */
  breakersOpened: 0,
  /** Second tries whose answer counted, those that were made for nothing, and those that would have been too many. */
  hedgesWon: 0,
  hedgesLost: 0,
  hedgesWithheld: 0,
};

/** What a failed call is counted under. A handler's bug goes over the wire as `Internal`, so it counts as that on either side. */
export function codeOf(error: unknown): string {
  return error instanceof FeitianError ? error.code : 'Internal';
}
