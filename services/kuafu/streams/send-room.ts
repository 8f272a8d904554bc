import type { Unsent } from '../core/unsent.ts';

/**
 * Whether the streams of one connection may hand over more messages. Beside their credit two things bound them: what the peer has not taken off the
 * connection (core/unsent.ts), and what one turn of the event loop may do. A peer with credit to spare and a fast line would otherwise let a handler run
 * from message to message without anybody else's turn in between.
 *
 * Who finds no room waits here, in order, until the peer has read or the next turn has come.
 */
/** Some milliseconds of small messages; large ones meet the other bound first. */
const TURN_COST_MAX = 4 * 1024 * 1024;
/** A message takes some microseconds, as long as copying so many bytes. */
const MESSAGE_TURN_COST = 1024;

export interface Waiter {
  /** There is room again, though perhaps not for long. */
  roomy(): void;
}

export class SendRoom {
  readonly #channel: { readonly unsentBytes: number };
  readonly #unsent: Unsent;
  readonly #waiters = new Set<Waiter>();
  #turnCost = 0;
  #turnEnds = false;

  constructor(channel: { readonly unsentBytes: number }, unsent: Unsent) {
    this.#channel = channel;
    this.#unsent = unsent;
  }

  get open(): boolean {
    return this.#turnCost < TURN_COST_MAX && this.#unsent.hasRoom(this.#channel.unsentBytes);
  }

  /** A message was handed over. */
  spend(bytes: number): void {
    this.#turnCost += bytes + MESSAGE_TURN_COST;
    if (this.#turnEnds) return;
    this.#turnEnds = true;
    setImmediate(() => {
      this.#turnEnds = false;
      this.#turnCost = 0;
      this.flush();
    });
  }

  wait(waiter: Waiter): void {
    this.#waiters.add(waiter);
  }

  leave(waiter: Waiter): void {
    this.#waiters.delete(waiter);
  }

  /** The peer has read, or a turn is over. Who finds the room taken again waits behind the others. */
  flush(): void {
    if (this.#waiters.size === 0) return;
    for (const waiter of [...this.#waiters]) {
      if (!this.open) return;
      this.#waiters.delete(waiter);
      waiter.roomy();
    }
  }
}
