/**
 * What all connections of one server, or of one client, have handed over and their peers have not taken. Credit says what a reader wants; a peer that grants
 * much and then does not read its socket would have it all pile up here.
 *
 *   room for a stream's next message   while its connection holds less than CONNECTION_UNSENT_BYTES_MAX,
 *                                      and, once all together hold `bytesMax`, less than CONNECTION_UNSENT_BYTES_SHRUNK
 *
 * A connection with little unsent always has room, so none waits for another; each overshoots by a message. What a connection holds below the smaller bound
 * is not counted: it is on its way.
 */
export const UNSENT_BYTES_MAX = 256 * 1024 * 1024;
/** Beside what the kernel holds; twice the largest message, so that one is on its way while the next is made. */
export const CONNECTION_UNSENT_BYTES_MAX = 8 * 1024 * 1024;
export const CONNECTION_UNSENT_BYTES_SHRUNK = 64 * 1024;

export class Unsent {
  readonly bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number = UNSENT_BYTES_MAX) {
    this.bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get full(): boolean {
    return this.#bytes >= this.bytesMax;
  }

  /** A connection's share is `now` instead of `before`. Returns what it is counted with, to be given as `before` the next time. */
  count(before: number, unsentBytes: number): number {
    const now = Math.max(0, unsentBytes - CONNECTION_UNSENT_BYTES_SHRUNK);
    this.#bytes += now - before;
    return now;
  }

  hasRoom(connectionUnsentBytes: number): boolean {
    return connectionUnsentBytes < (this.full ? CONNECTION_UNSENT_BYTES_SHRUNK : CONNECTION_UNSENT_BYTES_MAX);
  }
}
