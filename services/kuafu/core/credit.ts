import { WINDOW_BYTES } from './messages.ts';

/**
 * Credit: what keeps a writer from filling its reader's memory.
 *
 * The reader of a stream says how much it may be sent; the writer stops when that is used up. Grants are *totals since the beginning of the stream*, not
 * amounts to be added: a grant that comes twice, or after a later one, changes nothing, and one that is lost is made good by the next.
 *
 *   writer   sent    < granted + one message      it may begin a message while sent < granted, so the last one may reach beyond
 *   reader   arrived <= granted + one message     more is a violation: that peer would fill our memory
 *            granted <= taken + window            what is on the way and what is unread, together, is the window
 *
 * A message costs its body, its attachment and MESSAGE_COST_BYTES, so that empty ones do not come for nothing.
 *
 * The window of a stream whose reader keeps up doubles, to WINDOW_BYTES_MAX: on a long or fast way 256 KiB would be used up before the first grant is
 * back. Windows grow on trust, so all streams of a server (or client) share one account of what they hold unread: while that is at its bound no window
 * grows, those that grew fall back to a small one, and grants are withheld until readers have caught up. A stream that holds nothing unread always
 * has some credit, so none waits for another.
 */

/** About what a message that waits to be read takes beside its bytes. */
export const MESSAGE_COST_BYTES = 128;
/** Of one message, body and attachment: a writer overshoots its credit by at most this, and what stands behind it on a 1 Gbit/s line waits 32 ms. */
export const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
/** 4 MiB fill 1 Gbit/s over 32 ms of way, and 10 Gbit/s within a building. */
export const WINDOW_BYTES_MAX = 4 * 1024 * 1024;
/** While the account is at its bound: a stream still gets on, if slowly. */
export const WINDOW_BYTES_SHRUNK = 64 * 1024;
/** More credit than this at once is a mistake of the peer, or an attempt on our memory: we would queue it all. */
export const CREDIT_BYTES_MAX = 64 * 1024 * 1024;

export function costOf(bodyBytes: number, attachmentBytes: number): number {
  return MESSAGE_COST_BYTES + bodyBytes + attachmentBytes;
}

/** The writer's side. */
export class SendCredit {
  #grantedBytes: number;
  #sentBytes = 0;

  constructor(windowBytes: number) {
    this.#grantedBytes = windowBytes;
  }

  get leftBytes(): number {
    return this.#grantedBytes - this.#sentBytes;
  }

  spend(costBytes: number): void {
    this.#sentBytes += costBytes;
  }

  /** Returns in one sentence what is wrong with the grant, if anything is. */
  grant(totalBytes: unknown): string | undefined {
    if (!Number.isSafeInteger(totalBytes) || (totalBytes as number) < 0) return 'credit that is no number of bytes';
    const total = totalBytes as number;
    if (total - this.#sentBytes > CREDIT_BYTES_MAX) return `credit of ${total - this.#sentBytes} bytes, the limit is ${CREDIT_BYTES_MAX}`;
    if (total > this.#grantedBytes) this.#grantedBytes = total;
    return undefined;
  }
}

/** What all streams of one server, or of one client, hold unread. */
export interface Unread {
  bytes: number;
  /** Windows do not grow beyond; at twice as much streams end. */
  readonly bytesMax: number;
}

/** The reader's side. */
export class ReadWindow {
  readonly #unread: Unread;
  #windowBytes = WINDOW_BYTES;
  #grantedBytes = WINDOW_BYTES;
  #arrivedBytes = 0;
  #takenBytes = 0;
  /** Taken when the window was last looked at, and whether the reader has kept up since. */
  #lookedAtBytes = 0;
  #keptUp = true;
  #closed = false;

  constructor(unread: Unread) {
    this.#unread = unread;
  }

  get windowBytes(): number {
    return this.#windowBytes;
  }

  get unreadBytes(): number {
    return this.#arrivedBytes - this.#takenBytes;
  }

  /** A message came. Returns what is wrong with that, if anything is. */
  arrived(costBytes: number): string | undefined {
    if (this.#arrivedBytes >= this.#grantedBytes) return `data without credit: ${this.#arrivedBytes} bytes came, as many were granted`;
    this.#arrivedBytes += costBytes;
    if (!this.#closed) this.#unread.bytes += costBytes;
    return undefined;
  }

  /** The reader took a message. Returns the total to be granted when it is time to say so. */
  taken(costBytes: number): number | undefined {
    if (this.#closed) return undefined;
    this.#takenBytes += costBytes;
    this.#unread.bytes -= costBytes;
    this.#resize();
    const pressed = this.#unread.bytes >= this.#unread.bytesMax;
    const windowBytes = pressed ? WINDOW_BYTES_SHRUNK : this.#windowBytes;
    // A frame for each quarter: seldom enough to cost nothing, early enough that a writer at full speed does not come to a stop.
    const total = this.#takenBytes + windowBytes;
    if (total - this.#grantedBytes < windowBytes / 4) return undefined;
    return (this.#grantedBytes = total);
  }

  /** Nobody will read any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unread.bytes -= this.unreadBytes;
  }

  #resize(): void {
    if (this.#unread.bytes >= this.#unread.bytesMax) {
      this.#windowBytes = WINDOW_BYTES;
      this.#keptUp = false;
    }
    if (this.unreadBytes > this.#windowBytes / 2) this.#keptUp = false;
    if (this.#takenBytes - this.#lookedAtBytes < this.#windowBytes) return;
    if (this.#keptUp) this.#windowBytes = Math.min(WINDOW_BYTES_MAX, 2 * this.#windowBytes);
    this.#lookedAtBytes = this.#takenBytes;
    this.#keptUp = true;
  }
}
