import type { MemberEffects, WaitId } from '../core/member/types.ts';
import type { Reply } from '../core/tree/command.ts';
import type { GroupCounts } from './counts.ts';

export type Answered = (reply: Reply | undefined) => void;
export type Ready = (ok: boolean) => void;
export type Lives = (lives: boolean | undefined) => void;

/** Those who wait for this server's member to answer, by the ids that the member knows them by. Each is told once. */
export class Waiting {
  #nextId: WaitId = 1;
  readonly #changes = new Map<WaitId, { answered: Answered; sinceMs: number }>();
  /** All reads of one turn have one fate, and so one id. */
  readonly #reads = new Map<WaitId, readonly Ready[]>();
  readonly #keepAlives = new Map<WaitId, Lives>();
  readonly #orders = new Map<WaitId, (problem: string | undefined, lost: boolean) => void>();

  get size(): number {
    return this.#changes.size + this.#reads.size;
  }

  /** @returns the id of the first; the next ones count on from it. */
  changes(answered: readonly Answered[], sinceMs: number): WaitId {
    const firstId = this.#nextId;
    this.#nextId += answered.length;
    for (let i = 0; i < answered.length; i++) this.#changes.set(firstId + i, { answered: answered[i]!, sinceMs });
    return firstId;
  }

  reads(ready: readonly Ready[]): WaitId {
    this.#reads.set(this.#nextId, ready);
    return this.#nextId++;
  }

  keepAlive(lives: Lives): WaitId {
    this.#keepAlives.set(this.#nextId, lives);
    return this.#nextId++;
  }

  order(done: (problem: string | undefined, lost: boolean) => void): WaitId {
    this.#orders.set(this.#nextId, done);
    return this.#nextId++;
  }

  /** @returns since when it waited, on the monotonic clock. */
  answered(id: WaitId, reply: Reply): number {
    const { answered, sinceMs } = this.#changes.get(id)!;
    this.#changes.delete(id);
    answered(reply);
    return sinceMs;
  }

  /** @returns how many reads these were. */
  readable(id: WaitId): number {
    const reads = this.#reads.get(id)!;
    this.#reads.delete(id);
    for (const ready of reads) ready(true);
    return reads.length;
  }

  alive(id: WaitId, lives: boolean): void {
    const told = this.#keepAlives.get(id);
    this.#keepAlives.delete(id);
    told?.(lives);
  }

  done(id: WaitId, problem: string | undefined): void {
    const told = this.#orders.get(id);
    this.#orders.delete(id);
    told?.(problem, false);
  }

  lost(id: WaitId): void {
    const change = this.#changes.get(id);
    const reads = this.#reads.get(id);
    const lives = this.#keepAlives.get(id);
    const done = this.#orders.get(id);
    for (const waiting of [this.#changes, this.#reads, this.#keepAlives, this.#orders]) waiting.delete(id);
    change?.answered(undefined);
    for (const ready of reads ?? []) ready(false);
    lives?.(undefined);
    done?.(undefined, true);
  }

  /** Tells everybody whom the effects of a step are about. */
  settle({ replies, readable, alive, done, lost }: MemberEffects, nowMs: number, counts: GroupCounts): void {
    for (const { id, reply } of replies) counts.commit.observe(nowMs - this.answered(id, reply));
    for (const id of readable) this.readable(id);
    for (const { id, lives } of alive) this.alive(id, lives);
    for (const { id, problem } of done) this.done(id, problem);
    for (const id of lost) {
      counts.unanswered++;
      this.lost(id);
    }
  }

  loseAll(): void {
    for (const waiting of [this.#changes, this.#reads, this.#keepAlives, this.#orders]) for (const id of [...waiting.keys()]) this.lost(id);
  }
}
