import type { MemberEffects } from '../core/member/types.ts';

type Messages = MemberEffects['afterWrite'];

/** Messages that say what is on the disk, held back until it is. */
export class AfterWrite {
  #held: { seq: number; messages: Messages }[] = [];

  hold(seq: number, messages: Messages): void {
    if (messages.length > 0) this.#held.push({ seq, messages });
  }

  /** Those for which all that must be is written, in their order. */
  take(writtenSeq: number): Messages {
    const taken: Messages = [];
    let count = 0;
    while (count < this.#held.length && this.#held[count]!.seq <= writtenSeq) taken.push(...this.#held[count++]!.messages);
    if (count > 0) this.#held = this.#held.slice(count);
    return taken;
  }
}
