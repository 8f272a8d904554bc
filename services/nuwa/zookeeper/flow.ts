/**
 * How much is held for clients at a time: what they asked and were not answered yet, and what they were answered and did not read yet. A client that
 * asks faster than the group answers is not read from for a while, and one that does not read gets no more answers; TCP tells it so. Each connection
 * has bounds of its own, so that one client cannot take what is there for all, and all of them together have bounds, so that many cannot either.
 *
 * A request that is larger than a read from a socket is held in pieces until it is whole. Room for all of it is taken before its pieces are waited for:
 * if many such requests were begun and each waited for the room that the others hold, none would ever be whole. Who has room goes on being read from
 * however full it is, and has a time within which the request must be whole; so room always comes back.
 *
 * Invariants:
 *   1. `heldBytes` is what the connections counted in, of requests without an answer and of requests begun; `unreadBytes` that of answers.
 *   2. requests that were begun are granted room only while all that is held stays within `heldBytesAllMax`.
 *   3. who waits is asked in the order in which it came to wait, and nobody is passed over.
 */
export interface FlowBounds {
  /** Of one connection's requests without an answer. Past either no more are read from it. */
  readonly requestsMax: number;
  readonly heldBytesMax: number;
  /** Of all connections' requests: past it only those are read from that are in the midst of one. */
  readonly heldBytesAllMax: number;
  /** A request that was begun is whole within this time. */
  readonly requestMsMax: number;
  /** Past so many bytes that one client did not take, it is given no more answers until it has taken all. */
  readonly unreadBytesMax: number;
  /** Past so many of all clients, each is given no more once it has a few. */
  readonly unreadBytesAllMax: number;
  /** A client that is given no more takes what there is within this time, or it is not listening. */
  readonly unreadMsMax: number;
  /** Events are told whether or not a client reads; past so many bytes of them it is not listening. */
  readonly eventBytesMax: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const FLOW_BOUNDS: FlowBounds = {
  requestsMax: 4_096,
  heldBytesMax: 8 * MIB,
  heldBytesAllMax: 256 * MIB,
  requestMsMax: 30_000,
  // A slow line of 140 KB/s takes it in the time that there is.
  unreadBytesMax: 4 * MIB,
  unreadBytesAllMax: 256 * MIB,
  unreadMsMax: 30_000,
  eventBytesMax: 32 * MIB,
};

/** What a client may have unread when all have too much. */
const FEW_BYTES = 64 * KIB;
/** Beside its bytes, what a request takes that waits for its answer. */
export const REQUEST_OVERHEAD_BYTES = 256;

/** A connection that is not read from. */
export interface Waiting {
  /** Reads on if it may now. @returns whether it need not wait here any more. */
  maybeReadOn(): boolean;
}

export class DoorFlow {
  readonly bounds: FlowBounds;
  #heldBytes = 0;
  #unreadBytes = 0;
  readonly #waiting = new Set<Waiting>();

  constructor(bounds: Partial<FlowBounds> = {}) {
    this.bounds = { ...FLOW_BOUNDS, ...bounds };
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get unreadBytes(): number {
    return this.#unreadBytes;
  }

  get full(): boolean {
    return this.#heldBytes >= this.bounds.heldBytesAllMax;
  }

  /** Whether a request of so many bytes may be waited for. One that is larger than all there may be is, alone. */
  fits(bytes: number): boolean {
    return this.#heldBytes === 0 || this.#heldBytes + bytes <= this.bounds.heldBytesAllMax;
  }

  /** What one client may have unread. */
  get unreadBytesMax(): number {
    const { unreadBytesMax, unreadBytesAllMax } = this.bounds;
    return this.#unreadBytes > unreadBytesAllMax ? Math.min(FEW_BYTES, unreadBytesMax) : unreadBytesMax;
  }

  countHeld(bytes: number): void {
    this.#heldBytes += bytes;
    if (bytes < 0 && this.#waiting.size > 0 && !this.full) this.#wake();
  }

  countUnread(bytes: number): void {
    this.#unreadBytes += bytes;
  }

  wait(who: Waiting): void {
    this.#waiting.add(who);
  }

  forget(who: Waiting): void {
    this.#waiting.delete(who);
  }

  #wake(): void {
    for (const who of this.#waiting) {
      if (!who.maybeReadOn()) return;
      this.#waiting.delete(who);
    }
  }
}
