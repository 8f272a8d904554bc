/**
 * Sums by key: an open-addressing hash table over raw key bytes, for map programs with `combine: 'sum'`. Nothing is allocated per record.
 *
 * A word count does little else here than miss the cache, so the layout counts the lines a look-up touches: one for the slot, and mostly one for
 * the record, which keeps sum, length and key together. Records lie one after the other, in the order in which their keys first came.
 *
 *     slot   = 25 bits: where the record lies, in steps of 8 bytes, from 1; 7 bits of the hash, which spare most looks at a wrong record; 0 = free
 *     record = sum: f64, length: u32, hash: u32, key, padding to a multiple of 8
 *
 * On text with 190,000 different words this is twice as fast as parallel arrays, and a tenth faster than slots of two 32-bit numbers.
 *
 * Invariants: at most three quarters of the slots are taken; `bytes <= bytesMax` unless there is just one record;
 * sums are exact as long as they are safe integers, which is checked when they are read.
 */
import { copyBytes, equalBytes } from './bytes.ts';
import { allocate, copied } from './memory.ts';
import { hashBytes } from './partition.ts';
import { type KeyOrder, sortKeys } from './sort-keys.ts';

const SLOTS_MIN = 1 << 12;
const RECORD_BYTES_MIN = 1 << 16;
const HEADER_BYTES = 16;
/** Beside the record: its share of the slots, and what sorting takes (offset, length, partition, order, code, entry). */
const ENTRY_BYTES = 11 + 26;
/** As far as 25 bits point. */
const RECORDS_BYTES_MAX = 2 ** 28 - 8;
const TAG_BITS = 7;
const TAG_MASK = (1 << TAG_BITS) - 1;

export class SumTable {
  count = 0;
  /** All records, as bytes, as 32-bit and as 64-bit numbers. */
  records: Uint8Array = allocate(RECORD_BYTES_MIN);
  #words: Int32Array = new Int32Array(this.records.buffer);
  #sums: Float64Array = new Float64Array(this.records.buffer);
  #used = 0;
  #slots: Int32Array = new Int32Array(SLOTS_MIN);
  #mask = SLOTS_MIN - 1;
  readonly #bytesMax: number;

  constructor(bytesMax: number) {
    this.#bytesMax = Math.min(bytesMax, RECORDS_BYTES_MAX);
  }

  get bytes(): number {
    return this.#used + this.count * ENTRY_BYTES;
  }

  /** Adds to the sum of a key. @returns false when the key is new and there is no room for it. */
  add(buffer: Uint8Array, start: number, end: number, value: number): boolean {
    const hash = hashBytes(buffer, start, end) | 0;
    const slots = this.#slots;
    const mask = this.#mask;
    const tag = hash >>> (32 - TAG_BITS);
    let slot = hash & mask;
    for (;;) {
      const found = slots[slot]!;
      if (found === 0) return this.#insert(slot, hash, buffer, start, end, value);
      if ((found & TAG_MASK) === tag) {
        const place = (found >>> TAG_BITS) - 1;
        const key = place * 8 + HEADER_BYTES;
        if (equalBytes(this.records, key, key + this.#words[place * 2 + 2]!, buffer, start, end)) {
          this.#sums[place]! += value;
          return true;
        }
      }
      slot = (slot + 1) & mask;
    }
  }

  #insert(slot: number, hash: number, buffer: Uint8Array, start: number, end: number, value: number): boolean {
    const length = end - start;
    const size = sizeOf(length);
    if (this.count > 0 && this.bytes + size + ENTRY_BYTES > this.#bytesMax) return false;
    if (this.#used + size > this.records.length) this.#grow(size);
    const at = this.#used;
    this.#sums[at / 8] = value;
    this.#words[at / 4 + 2] = length;
    this.#words[at / 4 + 3] = hash;
    copyBytes(buffer, start, end, this.records, at + HEADER_BYTES);
    this.#used += size;
    this.count++;
    this.#slots[slot] = slotOf(at, hash);
    if (this.count > this.#mask * 0.75) this.#doubleSlots();
    return true;
  }

  #grow(size: number): void {
    const bytes = Math.max(this.#used + size, Math.min(this.records.length * 2, sizeOf(this.#bytesMax)));
    this.records = copied(allocate(bytes), this.records);
    this.#words = new Int32Array(this.records.buffer);
    this.#sums = new Float64Array(this.records.buffer);
  }

  #doubleSlots(): void {
    const mask = this.#mask * 2 + 1;
    const slots = new Int32Array(mask + 1);
    for (let at = 0; at < this.#used; at += sizeOf(this.#words[at / 4 + 2]!)) {
      const hash = this.#words[at / 4 + 3]!;
      let slot = hash & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = slotOf(at, hash);
    }
    this.#slots = slots;
    this.#mask = mask;
  }

  /** Records by partition and key; `offsets` and `lengths` say where each one's key lies in `records`. */
  sort(partitionCount: number): KeyOrder & { offsets: Uint32Array; lengths: Uint32Array } {
    const { count } = this;
    const offsets = new Uint32Array(count);
    const lengths = new Uint32Array(count);
    const partitions = new Uint16Array(count);
    for (let entry = 0, at = 0; entry < count; entry++) {
      offsets[entry] = at + HEADER_BYTES;
      lengths[entry] = this.#words[at / 4 + 2]!;
      partitions[entry] = (this.#words[at / 4 + 3]! >>> 0) % partitionCount;
      at += sizeOf(lengths[entry]!);
    }
    return { ...sortKeys({ bytes: this.records, offsets, lengths, partitions, count }, partitionCount), offsets, lengths };
  }

  /** The sum that belongs to a key at `offset`. */
  sumAt(offset: number): number {
    return this.#sums[(offset - HEADER_BYTES) / 8]!;
  }

  /** Forgets all records and keeps the memory. */
  clear(): void {
    this.count = 0;
    this.#used = 0;
    this.#slots.fill(0);
  }
}

function slotOf(at: number, hash: number): number {
  return ((at / 8 + 1) << TAG_BITS) | (hash >>> (32 - TAG_BITS));
}

/** Bytes of a record whose key has this length. */
function sizeOf(keyLength: number): number {
  return (HEADER_BYTES + keyLength + 7) & ~7;
}
