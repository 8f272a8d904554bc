import type { ServerId } from '../raft/types.ts';

/** A question that another server asked this one. */
export interface PeerAsk {
  readonly from: ServerId;
  readonly askId: number;
  /** Sessions that were heard of there. */
  readonly sessions: readonly string[];
}

/**
 * Of a leader: the asks of its peers that wait, first for a quorum, then, if sessions are in them, for this server to have applied as much: a
 * session that was just opened may be known to the asker before it is here.
 */
export class PeerAsks {
  /** By the id that Raft knows them by. */
  readonly #asked = new Map<number, PeerAsk>();
  #confirmed: { ask: PeerAsk; index: number }[] = [];

  asked(id: number, ask: PeerAsk): void {
    this.#asked.set(id, ask);
  }

  /** @returns whether it was one of these. */
  confirmed(id: number, index: number): boolean {
    const ask = this.#asked.get(id);
    if (!ask) return false;
    this.#asked.delete(id);
    this.#confirmed.push({ ask, index });
    return true;
  }

  unconfirmed(id: number): PeerAsk | undefined {
    const ask = this.#asked.get(id);
    this.#asked.delete(id);
    return ask;
  }

  takeReady(appliedIndex: number): { ask: PeerAsk; index: number }[] {
    if (this.#confirmed.length === 0) return [];
    const waiting: { ask: PeerAsk; index: number }[] = [];
    const ready = this.#confirmed.filter((each) => {
      if (each.ask.sessions.length === 0 || each.index <= appliedIndex) return true;
      waiting.push(each);
      return false;
    });
    this.#confirmed = waiting;
    return ready;
  }

  takeAll(): PeerAsk[] {
    const all = [...this.#asked.values(), ...this.#confirmed.map(({ ask }) => ask)];
    this.#asked.clear();
    this.#confirmed = [];
    return all;
  }
}
