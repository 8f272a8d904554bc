import { assertInvariant } from '../../base/assert.ts';

export interface Piece {
  /** Where it begins in the file. */
  readonly start: number;
  readonly length: number;
  acknowledged: boolean;
}

/**
 * Pieces of a file that were sent and not yet acknowledged, in order, without gaps. Acknowledgements come in any order; what counts is how far they
 * reach from the front: a chunk that fails is sealed there, and everything behind, acknowledged or not, is sent again.
 */
export class SendWindow<P extends Piece> {
  #pieces: P[] = [];
  #acknowledgedEnd: number;

  constructor(start: number) {
    this.#acknowledgedEnd = start;
  }

  /** All bytes before this are acknowledged. */
  get acknowledgedEnd(): number {
    return this.#acknowledgedEnd;
  }

  get pending(): readonly P[] {
    return this.#pieces;
  }

  push(piece: P): void {
    const last = this.#pieces.at(-1);
    assertInvariant(piece.start === (last ? last.start + last.length : this.#acknowledgedEnd), 'pieces follow each other');
    this.#pieces.push(piece);
  }

  /** Returns the pieces that are done with now: acknowledged, as all before them are. */
  acknowledge(piece: P): P[] {
    piece.acknowledged = true;
    let done = 0;
    while (done < this.#pieces.length && this.#pieces[done]!.acknowledged) {
      this.#acknowledgedEnd = this.#pieces[done]!.start + this.#pieces[done]!.length;
      done++;
    }
    return this.#pieces.splice(0, done);
  }

  /** All pending pieces are to be sent again. */
  rewind(): void {
    for (const piece of this.#pieces) piece.acknowledged = false;
  }
}
