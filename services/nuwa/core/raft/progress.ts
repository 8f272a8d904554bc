/**
 * What a leader knows of one other member, and how it sends to it (dissertation, sections 3.5 and 10.2.1).
 *
 * - `probe`: nobody knows where the logs part. One append at a time; its answer tells.
 * - `replicate`: they agree up to `matchIndex`. Entries are sent ahead of the answers, `nextIndex` being what was not sent yet, with at
 *   most so many appends under way; an answer that does not come is noticed by the next heartbeat, whose `prevIndex` does not fit then.
 * - `snapshot`: what it needs is compacted. Told so with every heartbeat, until it says that it has what the snapshot stands for.
 *
 * 1. matchIndex < nextIndex; matchIndex only grows, since what a follower has on its disk in this term stays. (A server that lost its disk
 *    is another server: it is removed, and added under a new name.)
 * 2. under way: the last indexes of appends not answered yet, ascending, all in matchIndex+1..nextIndex-1; only in `replicate`.
 */
export class Progress {
  state: 'probe' | 'replicate' | 'snapshot' = 'probe';
  matchIndex = 0;
  nextIndex: number;
  /** The latest heartbeat round that it answered. */
  ackedRound = 0;
  /** The tick at which it was last heard of. */
  heardTick: number;
  /** The latest commit index that it was told. */
  toldCommit = 0;
  /** In `probe`: the append that is to tell was sent. */
  #probing = false;
  #underWay: number[] = [];
  #answered = 0;

  constructor(nextIndex: number, tick: number) {
    this.nextIndex = nextIndex;
    this.heardTick = tick;
  }

  becomeProbe(nextIndex: number): void {
    this.#become('probe');
    this.nextIndex = Math.max(nextIndex, this.matchIndex + 1);
  }

  becomeReplicate(): void {
    this.#become('replicate');
    this.nextIndex = Math.max(this.nextIndex, this.matchIndex + 1);
  }

  becomeSnapshot(): void {
    this.#become('snapshot');
  }

  #become(state: Progress['state']): void {
    this.state = state;
    this.#probing = false;
    this.#underWay = [];
    this.#answered = 0;
  }

  get appendsUnderWay(): number {
    return this.#underWay.length - this.#answered;
  }

  maySend(inflightMax: number): boolean {
    if (this.state === 'probe') return !this.#probing;
    return this.state === 'replicate' && this.appendsUnderWay < inflightMax;
  }

  /** An append with entries up to `lastIndex` left. */
  sent(lastIndex: number): void {
    if (this.state === 'probe') {
      this.#probing = true;
      return;
    }
    this.nextIndex = lastIndex + 1;
    this.#underWay.push(lastIndex);
  }

  /** It has the log up to `matchIndex`. @returns whether that is news. */
  accepted(matchIndex: number): boolean {
    const news = matchIndex > this.matchIndex;
    if (news) this.matchIndex = matchIndex;
    if (this.nextIndex <= this.matchIndex) this.nextIndex = this.matchIndex + 1;
    while (this.#answered < this.#underWay.length && this.#underWay[this.#answered]! <= matchIndex) this.#answered++;
    if (this.#answered === this.#underWay.length) this.#underWay.length = this.#answered = 0;
    return news;
  }

  /** Does its refusal of `prevIndex` tell anything? Answers may come late, twice and out of order. */
  isRefusalNews(prevIndex: number): boolean {
    if (this.state === 'probe') return prevIndex === this.nextIndex - 1 && prevIndex > this.matchIndex;
    return this.state === 'replicate' && prevIndex > this.matchIndex && prevIndex < this.nextIndex;
  }
}
