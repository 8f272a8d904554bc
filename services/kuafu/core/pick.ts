import { hashText, rendezvousScore } from './rendezvous.ts';

/**
 * Picks an instance. Two things go before any rule: a call does not go where it has failed already while there is another place, and it
 * does not go where a connection cannot be had or the last tries were not answered. Where all are unwell, one of them is asked all the
 * same: that is how the first to recover is found.
 */
export type Rule = { kind: 'roundRobin' } | { kind: 'leastPending' } | { kind: 'one' } | { kind: 'rendezvous'; key: string };

/** What is known of the instances; each is named by its address. */
export interface Facts {
  tried(address: string): boolean;
  well(address: string): boolean;
  /** Calls under way to it. */
  pending(address: string): number;
  /** What it is called, wherever it is. */
  nameOf(address: string): string;
}

export interface Choice {
  address: string;
  /** Other instances are there that this call has not tried. */
  othersLeft: boolean;
}

/** What a caller keeps from one choice to the next. */
export interface PickState {
  /** Grows with each choice; callers begin at different places, or all first calls would meet at the first instance. */
  turn: number;
  /** Of the rule `one`: where it went last. */
  current: string | undefined;
}

/** `addresses` is not empty. */
export function pickInstance(rule: Rule, addresses: readonly string[], facts: Facts, state: PickState): Choice {
  const turn = state.turn++;
  const keyHash = rule.kind === 'rendezvous' ? hashText(rule.key) : 0;
  let best = addresses[0]!;
  let bestRank = -1;
  let bestScore = 0;
  let untried = 0;
  for (let i = 0; i < addresses.length; i++) {
    const address = addresses[(turn + i) % addresses.length]!;
    const fresh = !facts.tried(address);
    if (fresh) untried++;
    const rank = (fresh ? 2 : 0) + (facts.well(address) ? 1 : 0);
    if (rank < bestRank) continue;
    const score = scoreOf(rule, address, facts, state, keyHash);
    // Of equals the first in turn; but for a key it must be the same in every caller's turn.
    const better = rank > bestRank || score > bestScore || (rule.kind === 'rendezvous' && score === bestScore && address < best);
    if (!better) continue;
    best = address;
    bestRank = rank;
    bestScore = score;
  }
  if (rule.kind === 'one') state.current = best;
  return { address: best, othersLeft: untried > 1 };
}

function scoreOf(rule: Rule, address: string, facts: Facts, state: PickState, keyHash: number): number {
  switch (rule.kind) {
    case 'roundRobin':
      return 0;
    case 'leastPending':
      return -facts.pending(address);
    case 'one':
      return address === state.current ? 1 : 0;
    case 'rendezvous':
      return rendezvousScore(keyHash, facts.nameOf(address));
  }
}
