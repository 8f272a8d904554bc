import type { Unread } from '../core/credit.ts';
import { totals } from '../meter.ts';

/** Many readers that are slow at once are a fault somewhere: until then no stream should be held up by others, after it memory counts more. */
export const UNREAD_BYTES_MAX = 256 * 1024 * 1024;

/** The account of one server or client, also added to that of the process. */
export class UnreadAccount implements Unread {
  readonly bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number = UNREAD_BYTES_MAX) {
    this.bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  set bytes(bytes: number) {
    totals.unreadBytes += bytes - this.#bytes;
    this.#bytes = bytes;
  }
}
