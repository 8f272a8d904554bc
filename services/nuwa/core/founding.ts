import type { ServerId } from './raft/types.ts';

/**
 * When a server whose files are new may vote.
 *
 * Raft counts on a server's memory: what it acknowledged and for whom it voted it must know for ever. One that lost its files and comes back under
 * its name has forgotten both. With one other that missed a change it makes a majority of three, elects, and the change is gone although it was
 * acknowledged; nobody hears of it. Its flags are the same as at the first start of its group, and nothing in its directory tells the two apart. So
 * it is the others who must remember.
 *
 * **A birth** is a random id that is made with a server's files and kept in them. A server's birth may vote once it is known that no other birth of
 * that name ever did. How that is known differs by the way a server came into its group:
 *
 * 1. *One that the group begins with* claims its name at each of the others that it begins with, with its birth, and gets theirs. When all of them have answered it writes their
 *    births down together with the fact that it may vote. From then on it answers claims of those births alone and refuses all others: its group lives. Until
 *    then it answers any, and takes no part: it votes for nobody, runs for nothing, acknowledges nothing.
 * 2. *One that is added to a group that is there* begins with no members, learns, and hears no request for a vote. Before the leader promotes it, it asks it
 *    for its consent, and the consent is on its disk before the promotion is in anybody's log. One that finds itself a voter in
 *    its log and never consented is not the one that was promoted: it stops.
 * 3. *A group of one* has no others to ask: 1 with nobody to wait for.
 *
 * Why 1 is safe. Say births a and b of one name may both vote, b the later one. Whoever took part together with a (both might vote, both had their files) knew a birth of that name, and
 * not b, since b is made after a is gone. So it refuses b, and without its answer b never votes. Hence as long as one server that took part has its files, no name is
 * taken anew, however many lost theirs and in whatever order they come back.
 *
 * Why 2 is safe. To its group a server that hears no requests for votes is one to which the network loses them, and Raft allows that. What it acknowledges
 * in place of its former self counts, rightly: it is on its disk. Of what its former self acknowledged, it says nothing, and never elects who lacks it.
 *
 * What it costs: a group begins when all of its servers are there once, not most of them. What it does not see: a directory that was put back from a copy is
 * an older self with the same birth. And a server that was a group of one once, before others were added to it, knows of no others to ask if it is started
 * anew with its first flags.
 */
export interface Claim {
  readonly from: ServerId;
  readonly birth: string;
  /** With whom its group begins, by what it was told. */
  readonly members: readonly ServerId[];
}

/** How the server stands that is asked. */
export interface Standing {
  readonly id: ServerId;
  readonly birth: string;
  readonly mayVote: boolean;
  /** With whom its group began; nobody, where it was added to one or does not know. */
  readonly members: readonly ServerId[];
  /** Of the others, as they were when this one came to vote. */
  readonly births: ReadonlyMap<ServerId, string>;
}

export type ClaimAnswer =
  /** Nothing speaks against it. `birth`: of the server that answers. */
  | { readonly kind: 'known'; readonly birth: string }
  /** The group lives, and this birth is none of those that it began with. */
  | { readonly kind: 'taken' }
  /** This server was told of another group. */
  | { readonly kind: 'otherGroup'; readonly members: readonly ServerId[] };

export function answerClaim({ birth, births, mayVote, members }: Standing, claim: Claim): ClaimAnswer {
  if (mayVote) return births.get(claim.from) === claim.birth ? { kind: 'known', birth } : { kind: 'taken' };
  return sameMembers(members, claim.members) ? { kind: 'known', birth } : { kind: 'otherGroup', members };
}

function sameMembers(a: readonly ServerId[], b: readonly ServerId[]): boolean {
  return a.length === b.length && a.every((id) => b.includes(id));
}

/** A server's way into the group that it begins with. Each answer is heard once; `births` are those of who answered so far. */
export class Founding {
  readonly others: readonly ServerId[];
  readonly births = new Map<ServerId, string>();
  #refusal: { by: ServerId; answer: ClaimAnswer } | undefined;

  constructor({ id, members }: Pick<Standing, 'id' | 'members'>) {
    this.others = members.filter((each) => each !== id);
  }

  hear(from: ServerId, answer: ClaimAnswer): void {
    if (answer.kind === 'known') this.births.set(from, answer.birth);
    else this.#refusal ??= { by: from, answer };
  }

  /** Who has not answered yet. */
  get waitsFor(): ServerId[] {
    return this.others.filter((id) => !this.births.has(id));
  }

  /** Final: this birth will never vote here. */
  get refusal(): { by: ServerId; answer: ClaimAnswer } | undefined {
    return this.#refusal;
  }

  get done(): boolean {
    return this.#refusal === undefined && this.waitsFor.length === 0;
  }
}
