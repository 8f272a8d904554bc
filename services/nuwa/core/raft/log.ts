import { assertInvariant } from '../../../base/assert.ts';
import type { Entry, GroupConfig, SnapshotMark } from './types.ts';

/**
 * The log in memory (dissertation, sections 3.5 and 5.1). A snapshot stands for its beginning, up to `mark`; some entries before the
 * mark are kept all the same, for followers that lag, so memory holds those after `base`.
 *
 *     … thrown away …  base │ kept for followers … mark │ … lastIndex
 *
 * 1. entries[i].index = base.index + 1 + i; terms never fall from one to the next.
 * 2. base.index ≤ mark.index ≤ lastIndex.
 * 3. configs: every configuration after the mark and the latest one at or before it, ascending; never empty.
 *
 * Entries are big and opaque: what is handed out are the entries themselves, never copies of their data.
 */
export class RaftLog {
  #entries: Entry[] = [];
  #base: { index: number; term: number; timeMs: number };
  #mark: { index: number; term: number };
  #configs: { index: number; config: GroupConfig }[];

  constructor(snapshot: SnapshotMark, stored: readonly Entry[] = []) {
    this.#base = { index: snapshot.index, term: snapshot.term, timeMs: 0 };
    this.#mark = { index: snapshot.index, term: snapshot.term };
    this.#configs = [{ index: snapshot.index, config: snapshot.config }];
    this.append(stored.filter(({ index }) => index > snapshot.index));
  }

  get lastIndex(): number {
    return this.#base.index + this.#entries.length;
  }

  get lastTerm(): number {
    return this.#entries.length > 0 ? this.#entries[this.#entries.length - 1]!.term : this.#base.term;
  }

  /** No entry after this may have an earlier time. */
  get lastTimeMs(): number {
    return this.#entries.length > 0 ? this.#entries[this.#entries.length - 1]!.timeMs : this.#base.timeMs;
  }

  /** The last entry that is thrown away: what comes after it can be sent. */
  get baseIndex(): number {
    return this.#base.index;
  }

  get mark(): { readonly index: number; readonly term: number } {
    return this.#mark;
  }

  /** The latest configuration in the log, committed or not: the one in force (section 4.1). */
  get config(): GroupConfig {
    return this.#configs[this.#configs.length - 1]!.config;
  }

  get configIndex(): number {
    return this.#configs[this.#configs.length - 1]!.index;
  }

  /** Undefined outside of what is in memory. */
  termAt(index: number): number | undefined {
    if (index === this.#base.index) return this.#base.term;
    return this.#entries[index - this.#base.index - 1]?.term;
  }

  /** The entries in from..to, both included. */
  slice(from: number, to: number): Entry[] {
    return this.#entries.slice(from - this.#base.index - 1, to - this.#base.index);
  }

  /** As many entries from `from` on as fit into `bytesMax` of payload, but one if there is one. */
  sliceOfBytes(from: number, bytesMax: number): Entry[] {
    const start = from - this.#base.index - 1;
    let end = start;
    for (let bytes = 0; end < this.#entries.length; end++) {
      bytes += this.#entries[end]!.data.length;
      if (bytes > bytesMax && end > start) break;
    }
    return this.#entries.slice(start, end);
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assertInvariant(entry.index === this.lastIndex + 1, `entry ${entry.index} follows ${this.lastIndex}`);
      assertInvariant(entry.term >= this.lastTerm, `term ${entry.term} follows term ${this.lastTerm}`);
      this.#entries.push(entry);
      if (entry.config) this.#configs.push({ index: entry.index, config: entry.config });
    }
  }

  /** Forgets the entries from `index` on, and the configurations among them (section 4.1: a server falls back to the one before). */
  truncateFrom(index: number): void {
    assertInvariant(index > this.#mark.index, `entry ${index} is cut off, ${this.#mark.index} is in a snapshot`);
    this.#entries.length = index - this.#base.index - 1;
    while (this.configIndex >= index) this.#configs.pop();
  }

  /** A snapshot stands for what is up to `index`; of that, the newest `keptBytesMax` of payload stay. */
  compact(index: number, keptBytesMax: number): void {
    if (index <= this.#mark.index) return;
    const term = this.termAt(index);
    assertInvariant(term !== undefined, `compacted up to ${index}, in memory are ${this.#base.index}..${this.lastIndex}`);
    this.#mark = { index, term };
    while (this.#configs.length > 1 && this.#configs[1]!.index <= index) this.#configs.shift();
    let first = index - this.#base.index;
    for (let bytes = 0; first > 0; first--) {
      bytes += this.#entries[first - 1]!.data.length;
      if (bytes > keptBytesMax) break;
    }
    if (first === 0) return;
    const last = this.#entries[first - 1]!;
    this.#base = { index: last.index, term: last.term, timeMs: last.timeMs };
    this.#entries = this.#entries.slice(first);
  }

  /** A snapshot of another server takes the whole log's place. */
  reset(mark: SnapshotMark): void {
    this.#entries = [];
    this.#base = { index: mark.index, term: mark.term, timeMs: 0 };
    this.#mark = { index: mark.index, term: mark.term };
    this.#configs = [{ index: mark.index, config: mark.config }];
  }

  /** Where the term of the entry at `index` begins, as far as memory goes. Terms only rise, so halving finds it. */
  firstIndexOfTermAt(index: number): number {
    const term = this.termAt(index)!;
    return this.#firstAbove(term - 1);
  }

  /** The last index at or before `index` whose term is at most `term`; the base's where memory holds none. */
  lastIndexUpToTerm(term: number, index: number): number {
    return Math.max(this.#base.index, Math.min(this.#firstAbove(term) - 1, index));
  }

  /** The first index in memory with a term above `term`; one past the last where there is none. */
  #firstAbove(term: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#entries[middle]!.term > term) high = middle;
      else low = middle + 1;
    }
    return this.#base.index + 1 + low;
  }
}
