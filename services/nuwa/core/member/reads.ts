import type { WaitId } from './types.ts';

/**
 * The linearizable reads and keep-alives of this server's clients, gathered into asks: one ask is one question to the leader, who answers
 * when a quorum confirmed that it still led after the question came (section 6.4). A read may look at the tree once everything up to the
 * answered index is applied here. An ask changes nothing that a second one would not, so unlike a change it is simply asked again.
 *
 *   held --asked--> asked --answered with an index--> confirmed --applied up to there--> ready
 *     ^---the leader changed, or could not answer---/
 */
export interface Ask {
  readonly reads: readonly WaitId[];
  readonly keepAlives: readonly { id: WaitId; session: string }[];
  /** In ticks: when it came here. */
  readonly sinceTick: number;
}

export interface Confirmed {
  readonly ask: Ask;
  readonly index: number;
  /** Sessions of the keep-alives that are no more; undefined: this server leads, and looks when it has applied up to `index`. */
  readonly gone: readonly string[] | undefined;
}

export class OwnReads {
  #held: Ask[] = [];
  readonly #asked = new Map<number, Ask>();
  #confirmed: Confirmed[] = [];

  hold(ask: Ask): void {
    this.#held.push(ask);
  }

  get anyHeld(): boolean {
    return this.#held.length > 0;
  }

  takeHeld(): Ask[] {
    const held = this.#held;
    this.#held = [];
    return held;
  }

  asked(askId: number, ask: Ask): void {
    this.#asked.set(askId, ask);
  }

  /** Answers nobody waits for are left alone: they are late, or came twice. */
  answered(askId: number, index: number, gone: readonly string[] | undefined): void {
    const ask = this.#asked.get(askId);
    if (!ask) return;
    this.#asked.delete(askId);
    this.#confirmed.push({ ask, index, gone });
  }

  unanswered(askId: number): void {
    const ask = this.#asked.get(askId);
    if (!ask) return;
    this.#asked.delete(askId);
    this.#held.push(ask);
  }

  /** Nobody answers any more: to be asked again. */
  holdAllAsked(): void {
    for (const ask of this.#asked.values()) this.#held.push(ask);
    this.#asked.clear();
  }

  takeReady(appliedIndex: number): Confirmed[] {
    if (this.#confirmed.length === 0) return [];
    const ready = this.#confirmed.filter(({ index }) => index <= appliedIndex);
    if (ready.length > 0) this.#confirmed = this.#confirmed.filter(({ index }) => index > appliedIndex);
    return ready;
  }

  /** Those that came before this tick and were not answered; they wait no longer. */
  takeOlder(tick: number): Ask[] {
    const old = this.#held.filter(({ sinceTick }) => sinceTick < tick);
    if (old.length > 0) this.#held = this.#held.filter(({ sinceTick }) => sinceTick >= tick);
    for (const [askId, ask] of this.#asked) {
      if (ask.sinceTick >= tick) continue;
      this.#asked.delete(askId);
      old.push(ask);
    }
    // Confirmed, and what it waits for does not come: this server is cut off since.
    for (const { ask } of this.#confirmed) if (ask.sinceTick < tick) old.push(ask);
    this.#confirmed = this.#confirmed.filter(({ ask }) => ask.sinceTick >= tick);
    return old;
  }
}
