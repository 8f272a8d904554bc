import { reachedByMajority } from './quorum.ts';
import type { Leading, Server } from './server.ts';

/**
 * Reads by lease (dissertation, section 6.4.1): those who answered a heartbeat grant nobody a vote for an election timeout, so for a little less than
 * that, counted from when the heartbeat left, no other leader can be elected, and this one may answer reads without asking again. That rests on
 * clocks that run at nearly the same rate, on which nothing else here does; so it is off unless the owner says so (`RaftTiming.leaseMs`).
 *
 * While it is on, voters keep what the lease takes for granted: one who lost the connection to its leader waits out its timeout all the same, and one
 * that just started grants nothing for an election timeout, since it does not know whom it heard before. A leader that hands over gives its
 * lease up for good, as the next one is elected by its own wish.
 *
 * Time is the owner's monotonic clock, not ticks: a process that stood still has missed its ticks and must not take its lease for young.
 */
export class Lease {
  /** Rounds that were begun and not yet answered by a majority, with when; ascending. */
  #begun: { round: number; atMs: number }[] = [];
  #untilMs = Number.NEGATIVE_INFINITY;
  #givenUp = false;

  began(round: number, atMs: number): void {
    this.#begun.push({ round, atMs });
    if (this.#begun.length > ROUNDS_MAX) this.#begun.shift();
  }

  answered(round: number, leaseMs: number): void {
    while (this.#begun.length > 0 && this.#begun[0]!.round <= round) this.#untilMs = this.#begun.shift()!.atMs + leaseMs;
  }

  giveUp(): void {
    this.#givenUp = true;
  }

  holds(nowMs: number): boolean {
    return !this.#givenUp && nowMs < this.#untilMs;
  }
}

/** More are under way only when nobody answers. */
const ROUNDS_MAX = 64;

export function leases({ timing }: Server): boolean {
  return (timing.leaseMs ?? 0) > 0;
}

/** An answer came: the latest round that a majority answered tells how long the lease is. */
export function renewLease(server: Server, leading: Leading): void {
  if (!leases(server)) return;
  const round = reachedByMajority(server.voters, (id) => (id === server.id ? leading.round : leading.progress.get(id)!.ackedRound));
  leading.lease.answered(round, server.timing.leaseMs!);
}
