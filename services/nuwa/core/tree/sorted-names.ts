/**
 * Names in order, for directories so large that sorting them anew for each page of a listing would stop the server: 1,000,000 names take
 * half a second. A list of short sorted lists: adding and removing costs two binary searches and a move within one short list, and names
 * that come in order, as sequential nodes and snapshots do, are just appended.
 *
 * Invariant: no chunk is empty, none is longer than CHUNK_MAX, and all names of one come before all of the next.
 */
export class SortedNames {
  readonly #chunks: string[][] = [];

  constructor(sorted: readonly string[]) {
    for (let i = 0; i < sorted.length; i += CHUNK_FILL) this.#chunks.push(sorted.slice(i, i + CHUNK_FILL));
  }

  /** A name that is not there yet. */
  add(name: string): void {
    const last = this.#chunks.at(-1);
    if (!last || (last.at(-1)! < name && last.length === CHUNK_MAX)) {
      this.#chunks.push([name]);
      return;
    }
    if (last.at(-1)! < name) {
      last.push(name);
      return;
    }
    const at = this.#chunkOf(name);
    const chunk = this.#chunks[at]!;
    chunk.splice(placeOf(chunk, name), 0, name);
    if (chunk.length > CHUNK_MAX) this.#chunks.splice(at + 1, 0, chunk.splice(CHUNK_MAX / 2));
  }

  /** A name that is there. */
  remove(name: string): void {
    const at = this.#chunkOf(name);
    const chunk = this.#chunks[at]!;
    chunk.splice(placeOf(chunk, name), 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
  }

  /** From the first name behind `after` on, or from the first of all. Nothing may change meanwhile. */
  *from(after: string | undefined): Generator<string> {
    let at = after === undefined ? 0 : this.#chunkOf(after);
    let place = after === undefined || at >= this.#chunks.length ? 0 : placeBehind(this.#chunks[at]!, after);
    for (; at < this.#chunks.length; at++, place = 0) {
      const chunk = this.#chunks[at]!;
      for (; place < chunk.length; place++) yield chunk[place]!;
    }
  }

  /** The last chunk that begins at or before the name, or the first. */
  #chunkOf(name: string): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#chunks[middle]![0]! <= name) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Longer chunks move more at each change, shorter ones make the list of chunks long: at 1,000,000 names both are about alike. */
const CHUNK_MAX = 512;
/** What a list begins with leaves room for names in between. */
const CHUNK_FILL = 384;

/** The place of the first name of a sorted list that is not before this one. */
export function placeOf(names: readonly string[], name: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (names[middle]! < name) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The place of the first name of a sorted list that is behind this one. */
export function placeBehind(names: readonly string[], name: string): number {
  const place = placeOf(names, name);
  return names[place] === name ? place + 1 : place;
}
