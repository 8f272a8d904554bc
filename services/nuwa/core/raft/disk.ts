import { assertInvariant } from '../../../base/assert.ts';

/**
 * How far this server's own disk is. Writes are issued with rising numbers and done in that order; several may be under way.
 *
 * What makes it more than a counter: a follower may cut off entries whose write is still under way, and put others in their place.
 * When the old write is done, the disk holds entries that are no longer in the log, so it must not count for the new ones at the same
 * indexes. Hence `truncatedFrom` lowers what each write under way will have done to what is still of the log. The write of the new
 * entries comes later in the order, and when it is done the disk voids the old ones by itself (see DiskWrite).
 *
 * 1. writtenIndex ≤ the log's last index; the disk holds the log as it is now up to there.
 * 2. under way: rising `seq`, and none promises an entry that a later truncation took.
 */
export class Disk {
  /** The last write that was issued, the last one that is done, and the last issued with a hard state. */
  issuedSeq = 0;
  writtenSeq = 0;
  hardStateSeq = 0;
  writtenIndex: number;
  readonly #underWay: { seq: number; index: number }[] = [];

  constructor(writtenIndex: number) {
    this.writtenIndex = writtenIndex;
  }

  get idle(): boolean {
    return this.writtenSeq === this.issuedSeq;
  }

  /** False while the newest term or vote is not on the disk: what is said then must wait (section 3.3). */
  get knowsHardState(): boolean {
    return this.hardStateSeq <= this.writtenSeq;
  }

  /** @returns the number of a write after which the disk holds the log up to `index`. */
  issue(index: number, withHardState: boolean): number {
    const seq = ++this.issuedSeq;
    if (withHardState) this.hardStateSeq = seq;
    this.#underWay.push({ seq, index });
    return seq;
  }

  written(seq: number): void {
    assertInvariant(seq <= this.issuedSeq, `write ${seq} is done, the last issued is ${this.issuedSeq}`);
    while (this.#underWay.length > 0 && this.#underWay[0]!.seq <= seq) {
      const { index } = this.#underWay.shift()!;
      this.writtenIndex = Math.max(this.writtenIndex, index);
    }
    this.writtenSeq = Math.max(this.writtenSeq, seq);
  }

  truncatedFrom(index: number): void {
    this.writtenIndex = Math.min(this.writtenIndex, index - 1);
    for (const write of this.#underWay) write.index = Math.min(write.index, index - 1);
  }

  /** The log is now a snapshot up to `index`, which is on the disk; writes of before add nothing to it. */
  reset(index: number): void {
    this.writtenIndex = index;
    for (const write of this.#underWay) write.index = index;
  }
}
