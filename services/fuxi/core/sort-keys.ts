/**
 * Sorts keys by (partition, bytes, number of entry) without a comparison function per pair.
 *
 * A counting sort puts entries into their partitions. Within one, three bytes of each key, how many bytes it has left (0 to 3) and its
 * place in the list are packed into one number below 2^53, and the runtime's own numeric sort orders these. Entries that agree in all three bytes are a
 * group that is sorted by the next three, and so on (a radix sort from the front). Small groups are sorted by insertion.
 * "How many bytes are left" stands below the three bytes, so that a shorter key comes before a longer one that begins with it, also when the
 * longer one goes on with zero bytes. The place in the list makes equal keys keep the order in which they came.
 */
import { assertInvariant } from '../../base/assert.ts';
import { compareBytes } from './bytes.ts';

/** Keys of all entries, in one piece of memory. */
export interface Keys {
  bytes: Uint8Array;
  offsets: Uint32Array;
  lengths: Uint32Array;
  partitions: Uint16Array;
  count: number;
}

export interface KeyOrder {
  /** Entry numbers, partition after partition. */
  order: Uint32Array;
  /** Where each partition begins in `order`, and at last where the last one ends. */
  starts: Uint32Array;
}

/** 24 bits of key, 2 bits of what is left, 26 bits of place: 52 in all. */
const PLACES = 2 ** 26;
/** Measured on words: below this, insertion is faster than another pass. */
const INSERTION_MAX = 12;

export function sortKeys(keys: Keys, partitionCount: number): KeyOrder {
  assertInvariant(keys.count <= PLACES, `at most ${PLACES} entries are sorted at once`);
  const { order, starts } = byPartition(keys, partitionCount);
  const scratch = { codes: new Float64Array(keys.count), entries: new Uint32Array(keys.count) };
  for (let partition = 0; partition < partitionCount; partition++) {
    sortGroup(keys, order, starts[partition]!, starts[partition + 1]!, scratch);
  }
  return { order, starts };
}

function byPartition({ partitions, count }: Keys, partitionCount: number): KeyOrder {
  const starts = new Uint32Array(partitionCount + 1);
  for (let entry = 0; entry < count; entry++) starts[partitions[entry]! + 1]!++;
  for (let partition = 0; partition < partitionCount; partition++) starts[partition + 1]! += starts[partition]!;
  const next = starts.slice(0, partitionCount);
  const order = new Uint32Array(count);
  for (let entry = 0; entry < count; entry++) order[next[partitions[entry]!]!++] = entry;
  return { order, starts };
}

function sortGroup(
  keys: Keys,
  order: Uint32Array,
  first: number,
  past: number,
  scratch: { codes: Float64Array; entries: Uint32Array },
): void {
  const { bytes, offsets, lengths } = keys;
  const { codes, entries } = scratch;
  // A stack of its own: long equal keys would go deeper than the language's.
  const pending = [first, past, 0];
  while (pending.length > 0) {
    const depth = pending.pop()!;
    const to = pending.pop()!;
    const from = pending.pop()!;
    if (to - from <= INSERTION_MAX) {
      insertionSort(keys, order, from, to, depth);
      continue;
    }
    for (let i = from; i < to; i++) {
      const entry = order[i]!;
      const at = offsets[entry]! + depth;
      const left = Math.min(3, lengths[entry]! - depth);
      let code = left > 0 ? bytes[at]! << 16 : 0;
      if (left > 1) code |= bytes[at + 1]! << 8;
      if (left > 2) code |= bytes[at + 2]!;
      codes[i] = (code * 4 + left) * PLACES + (i - from);
      entries[i] = entry;
    }
    codes.subarray(from, to).sort();
    let groupStart = from;
    let groupCode = -1;
    for (let i = from; i < to; i++) {
      const packed = codes[i]!;
      const code = Math.floor(packed / PLACES);
      order[i] = entries[from + (packed - code * PLACES)]!;
      if (code === groupCode) continue;
      if (i - groupStart > 1 && groupCode % 4 === 3) pending.push(groupStart, i, depth + 3);
      groupStart = i;
      groupCode = code;
    }
    if (to - groupStart > 1 && groupCode % 4 === 3) pending.push(groupStart, to, depth + 3);
  }
}

function insertionSort({ bytes, offsets, lengths }: Keys, order: Uint32Array, from: number, to: number, depth: number): void {
  for (let i = from + 1; i < to; i++) {
    const entry = order[i]!;
    const start = offsets[entry]! + depth;
    const end = offsets[entry]! + lengths[entry]!;
    let place = i;
    for (; place > from; place--) {
      const other = order[place - 1]!;
      if (compareBytes(bytes, offsets[other]! + depth, offsets[other]! + lengths[other]!, bytes, start, end) <= 0) break;
      order[place] = other;
    }
    order[place] = entry;
  }
}
