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
 * 1. *One that the group begins with* claims its name at each of the others that it begins with. Who hears a claim writes down the birth, the first one of
 *    that name for good, and then answers with its own. A claim of another birth is refused, and so is one at a server that may vote already and
 *    does not know the birth: its group lives. When all the others have answered, their births are written down together with the fact that this one may vote.
 *    Until then it takes no part: it votes for nobody, runs for nothing, acknowledges nothing.
 * 2. *One that is added to a group that is there* begins with no members, learns, and hears no request for a vote. Before the leader promotes it, it asks it
 *    for its consent, and the consent is on its disk before the promotion is in anybody's log. One that finds itself a voter in
 *    its log and never consented is not the one that was promoted: it stops.
 * 3. *A group of one* has no others to ask: 1 with nobody to wait for.
 *
 * Why 1 is safe. Say births a and b of one name may both vote. Each of the others answered both; so each of them lost its files in between. Then all
 * that this group ever acknowledged is lost, and there is nothing left to contradict. As long as one of the servers that the group began with has its
 * files, no name that was taken is taken again, however many lost theirs and in whatever order they come back.
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
  /** Of the others: the first that each of them claimed its name with. */
  readonly births: ReadonlyMap<ServerId, string>;
}

export type ClaimAnswer =
  /** The name is this birth's. `birth`: of the server that answers. */
  | { readonly kind: 'known'; readonly birth: string }
  /** It is another's, or the group began without this one. */
  | { readonly kind: 'taken' }
  /** This server was told of another group. */
  | { readonly kind: 'otherGroup'; readonly members: readonly ServerId[] };

/** `remember`: the birth is to be on the disk before the answer leaves. */
export function answerClaim(standing: Standing, claim: Claim): { answer: ClaimAnswer; remember: boolean } {
  const { birth, births, mayVote, members } = standing;
  const known = births.get(claim.from);
  if (known === claim.birth) return { answer: { kind: 'known', birth }, remember: false };
  if (known !== undefined || mayVote) return { answer: { kind: 'taken' }, remember: false };
  if (!sameMembers(members, claim.members)) return { answer: { kind: 'otherGroup', members }, remember: false };
  return { answer: { kind: 'known', birth }, remember: true };
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
