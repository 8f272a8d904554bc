/**
 * Sums by key: an open-addressing hash table over raw key bytes, for map programs with `combine: 'sum'`. Nothing is allocated per record.
 *
 * A word count does little else than miss the cache here, so the layout counts the lines a look-up touches: one for the slot, which is
 * a pair of 32-bit numbers side by side (hash, where the record is), and mostly one for the record, which keeps sum, length and key together:
 *
 *     record = sum: f64, length: u32, hash: u32, key, padding to a multiple of 8
 *
 * Records lie one after the other, in the order in which their keys first came. With parallel arrays instead it was half as fast.
 *
 * Invariants: at most half of the slots are taken; `bytes <= bytesMax` unless there is just one record;
 * sums are exact as long as they are safe integers, which is checked when they are read.
 */
import { copyBytes, equalBytes } from './bytes.ts';
import { allocate, copied } from './memory.ts';
import { hashBytes } from './partition.ts';
import { type KeyOrder, sortKeys } from './sort-keys.ts';

const SLOTS_MIN = 1 << 12;
const RECORD_BYTES_MIN = 1 << 16;
const HEADER_BYTES = 16;
/** Beside the record: two slots of 8 bytes each, and what sorting takes (offset, length, partition, order, code, entry). */
const ENTRY_BYTES = 16 + 26;

export class SumTable {
  count = 0;
  /** All records, as bytes, as 32-bit and as 64-bit numbers. */
  records: Uint8Array = allocate(RECORD_BYTES_MIN);
  #words: Int32Array = new Int32Array(this.records.buffer);
  #sums: Float64Array = new Float64Array(this.records.buffer);
  #used = 0;
  /** Hash, and the record's position / 8 + 1; 0 = free. */
  #slots: Int32Array = new Int32Array(SLOTS_MIN * 2);
  #mask = SLOTS_MIN - 1;
  readonly #bytesMax: number;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#used + this.count * ENTRY_BYTES;
  }

  /** Adds to the sum of a key. @returns false when the key is new and there is no room for it. */
  add(buffer: Uint8Array, start: number, end: number, value: number): boolean {
    const hash = hashBytes(buffer, start, end) | 0;
    const slots = this.#slots;
    const mask = this.#mask;
    let slot = hash & mask;
    for (;;) {
      const place = slots[2 * slot + 1]!;
      if (place === 0) return this.#insert(slot, hash, buffer, start, end, value);
      if (slots[2 * slot] === hash) {
        const at = (place - 1) * 8;
        const length = this.#words[(at >> 2) + 2]!;
        if (equalBytes(this.records, at + HEADER_BYTES, at + HEADER_BYTES + length, buffer, start, end)) {
          this.#sums[place - 1]! += value;
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
    this.#slots[2 * slot] = hash;
    this.#slots[2 * slot + 1] = at / 8 + 1;
    if (this.count > this.#mask >> 1) this.#doubleSlots();
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
    const slots = new Int32Array((mask + 1) * 2);
    for (let at = 0; at < this.#used; at += sizeOf(this.#words[at / 4 + 2]!)) {
      const hash = this.#words[at / 4 + 3]!;
      let slot = hash & mask;
      while (slots[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
      slots[2 * slot] = hash;
      slots[2 * slot + 1] = at / 8 + 1;
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

/** Bytes of a record whose key has this length. */
function sizeOf(keyLength: number): number {
  return (HEADER_BYTES + keyLength + 7) & ~7;
}
