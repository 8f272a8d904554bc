import type { ServerId } from '../raft/types.ts';
import type { MemberEffects, WaitId } from './types.ts';

/** Changes of the group that wait: entries of the log for a commit, a handing over for another leader. */
export class Orders {
  #changes: { id: WaitId; index: number }[] = [];
  #transfer: { id: WaitId; to: ServerId; sinceTick: number } | undefined;

  changing(id: WaitId, index: number): void {
    this.#changes.push({ id, index });
  }

  transferring(id: WaitId, to: ServerId, tick: number): void {
    this.#transfer = { id, to, sinceTick: tick };
  }

  applied(index: number, effects: MemberEffects): void {
    if (this.#changes.length === 0) return;
    for (const { id } of this.#changes.filter((each) => each.index <= index)) effects.done.push({ id });
    this.#changes = this.#changes.filter((each) => each.index > index);
  }

  /** Whether a change was made is unknown then; whether somebody took over is what a transfer waits for. */
  leaderChanged(leader: ServerId | undefined, effects: MemberEffects): void {
    for (const { id } of this.#changes) effects.lost.push(id);
    this.#changes = [];
    if (!this.#transfer || leader === undefined) return;
    const { id, to } = this.#transfer;
    this.#transfer = undefined;
    effects.done.push(leader === to ? { id } : { id, problem: `${leader} was elected in place of ${to}` });
  }

  /** Gives up on a transfer that began before this tick. */
  giveUpBefore(tick: number, effects: MemberEffects): void {
    if (!this.#transfer || this.#transfer.sinceTick >= tick) return;
    const { id, to } = this.#transfer;
    this.#transfer = undefined;
    effects.done.push({ id, problem: `${to} did not take over in time` });
  }
}
