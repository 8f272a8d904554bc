import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Repeats } from '../../base/repeats.ts';
import type { Alarm } from '../alarm.ts';
import type { Implementation } from '../contract.ts';
import type { Unread } from '../core/credit.ts';
import type { HalfRead } from '../core/half-read.ts';
import type { Unsent } from '../core/unsent.ts';
import type { CallMeter } from '../meter.ts';
import type { Admission, Asked } from './admission.ts';
import type { ServerConnection } from './connection.ts';

/** A service as its connections look into it: one look finds all that a call needs. */
export interface ServedMethod extends Asked {
  readonly handler: Implementation['handlers'][string];
  readonly meter: CallMeter;
}
export type ServedMethods = ReadonlyMap<string, ServedMethod>;

/** What the connections of one server share. */
export interface ServerShared {
  readonly services: ReadonlyMap<string, ServedMethods>;
  readonly callsPerConnectionMax: number;
  readonly callsMax: number;
  readonly requestBytesMax: number;
  readonly retryAfterMs: number;
  readonly clock: Clock;
  readonly alarm: Alarm;
  readonly log: Logger;
  /** Connections that broke the rules. */
  readonly violations: Repeats;
  /** Undefined: anybody may call anything. */
  readonly admission: Admission | undefined;
  /** Under way now, over all connections. */
  calls: number;
  requestBytes: number;
  /** Messages of streams that wait for their handlers. */
  readonly unread: Unread;
  /** Of frames that have not come whole. */
  readonly halfRead: HalfRead;
  /** Of replies and messages that peers do not take. */
  readonly unsent: Unsent;
  closed(connection: ServerConnection): void;
}
