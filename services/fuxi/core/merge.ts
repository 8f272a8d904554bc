/**
 * Merges sorted cursors into one: a loser tree, which asks about log2(k) comparisons for each record.
 *
 * Inner node i of the tree (1 <= i < k) keeps the loser of the match between its two subtrees; the champion stands at 0. When the champion's cursor
 * moves on, only the matches on its path to the root are played again. The first six bytes of each cursor's key are kept as one number, so that
 * most matches are one comparison. Equal keys come in the order of the cursors.
 */
import { compareBytes } from './bytes.ts';
import { type Cursor, Position } from './cursor.ts';

export function mergeCursors(cursors: readonly Cursor[]): Cursor {
  return cursors.length === 1 ? cursors[0]! : new MergeCursor(cursors);
}

class MergeCursor extends Position {
  readonly #cursors: readonly Cursor[];
  /** First bytes of each cursor's key; infinite when it has ended. */
  readonly #prefixes: Float64Array;
  readonly #losers: Int32Array;
  #champion = -1;

  constructor(cursors: readonly Cursor[]) {
    super();
    this.#cursors = cursors;
    this.#prefixes = new Float64Array(cursors.length);
    this.#losers = new Int32Array(cursors.length).fill(-1);
  }

  next(): boolean {
    if (this.#cursors.length === 0) return false;
    if (this.#champion < 0) for (let i = 0; i < this.#cursors.length; i++) this.#advance(i);
    else this.#advance(this.#champion);
    const champion = this.#cursors[this.#champion]!;
    if (this.#prefixes[this.#champion] === Number.POSITIVE_INFINITY) return false;
    this.key = champion.key;
    this.keyStart = champion.keyStart;
    this.keyEnd = champion.keyEnd;
    this.value = champion.value;
    this.valueStart = champion.valueStart;
    this.valueEnd = champion.valueEnd;
    return true;
  }

  /** Moves one cursor on and plays its matches up to the root; in the first round, up to a node where the other side has not come yet. */
  #advance(player: number): void {
    const losers = this.#losers;
    const count = losers.length;
    this.#prefixes[player] = this.#cursors[player]!.next() ? prefixOf(this.#cursors[player]!) : Number.POSITIVE_INFINITY;
    let winner = player;
    for (let node = (player + count) >> 1; node > 0; node >>= 1) {
      const other = losers[node]!;
      if (other < 0) {
        losers[node] = winner;
        return;
      }
      if (this.#before(other, winner)) {
        losers[node] = winner;
        winner = other;
      }
    }
    this.#champion = winner;
  }

  #before(a: number, b: number): boolean {
    const prefixA = this.#prefixes[a]!;
    const prefixB = this.#prefixes[b]!;
    if (prefixA !== prefixB) return prefixA < prefixB;
    if (prefixA === Number.POSITIVE_INFINITY) return a < b;
    const first = this.#cursors[a]!;
    const second = this.#cursors[b]!;
    const order = compareBytes(first.key, first.keyStart, first.keyEnd, second.key, second.keyStart, second.keyEnd);
    return order === 0 ? a < b : order < 0;
  }
}

/** The first six bytes as a number, zeros where the key is shorter: it orders keys as far as it differs. */
function prefixOf({ key, keyStart, keyEnd }: Cursor): number {
  const length = keyEnd - keyStart;
  const high = (byteAt(key, keyStart, length, 0) << 16) | (byteAt(key, keyStart, length, 1) << 8) | byteAt(key, keyStart, length, 2);
  const low = (byteAt(key, keyStart, length, 3) << 16) | (byteAt(key, keyStart, length, 4) << 8) | byteAt(key, keyStart, length, 5);
  return high * 2 ** 24 + low;
}

function byteAt(key: Uint8Array, start: number, length: number, index: number): number {
  return index < length ? key[start + index]! : 0;
}
