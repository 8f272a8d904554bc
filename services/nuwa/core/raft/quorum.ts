import type { ServerId } from './types.ts';

/**
 * Majorities. Any two majorities of the same voters share a server, and so do a majority of some voters and one of the same voters
 * plus or minus one (dissertation, section 4.1, figure 4.3): all of Raft's safety rests on that server in the middle.
 */
export function majorityOf(voters: number): number {
  return (voters >> 1) + 1;
}

/** Do those for whom `agrees` holds make a majority? A group without voters has none. */
export function hasMajority(voters: readonly ServerId[], agrees: (id: ServerId) => boolean): boolean {
  let count = 0;
  for (const id of voters) if (agrees(id)) count++;
  return count >= majorityOf(voters.length);
}

const sorted: number[] = [];

/**
 * The largest value that a majority of the voters has reached, given each one's own. Called for every acknowledgement, so it sorts in
 * an array that it keeps: groups are small, and insertion beats everything for up to nine numbers.
 */
export function reachedByMajority(voters: readonly ServerId[], reachedBy: (id: ServerId) => number): number {
  const count = voters.length;
  if (count === 0) return 0;
  for (let i = 0; i < count; i++) {
    const value = reachedBy(voters[i]!);
    let at = i;
    for (; at > 0 && sorted[at - 1]! < value; at--) sorted[at] = sorted[at - 1]!;
    sorted[at] = value;
  }
  return sorted[majorityOf(count) - 1]!;
}
