/**
 * Sums by key: an open-addressing hash table over raw key bytes, for map programs with `combine: 'sum'`. Nothing is allocated per record.
 *
 * A slot is a pair of 32-bit numbers side by side, hash and entry number + 1 (0 = free), so that a probe touches one cache line until the hash agrees.
 * Entries are parallel arrays (offset and length in the arena of key bytes, hash, sum), in the order in which their keys first came.
 *
 * Invariants: at most half of the slots are taken; `bytes <= bytesMax` unless there is just one entry;
 * sums are exact as long as they are safe integers, which is checked when they are read.
 */
import { copyBytes, equalBytes } from './bytes.ts';
import { copied, grown } from './grow.ts';
import { hashBytes } from './partition.ts';
import { type KeyOrder, sortKeys } from './sort-keys.ts';

const SLOTS_MIN = 1 << 12;
/** Offset, length, hash and sum of one entry, its two slots of 8 bytes each, and what sorting it takes (order, code, entry). */
const ENTRY_BYTES = 20 + 16 + 18;

export class SumTable {
  count = 0;
  arena: Uint8Array = new Uint8Array(1 << 16);
  offsets: Uint32Array = new Uint32Array(SLOTS_MIN / 2);
  lengths: Uint32Array = new Uint32Array(SLOTS_MIN / 2);
  sums: Float64Array = new Float64Array(SLOTS_MIN / 2);
  #hashes: Uint32Array = new Uint32Array(SLOTS_MIN / 2);
  #slots: Int32Array = new Int32Array(SLOTS_MIN * 2);
  #mask = SLOTS_MIN - 1;
  #arenaUsed = 0;
  readonly #bytesMax: number;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#arenaUsed + this.count * ENTRY_BYTES;
  }

  /** Adds to the sum of a key. @returns false when the key is new and there is no room for it. */
  add(buffer: Uint8Array, start: number, end: number, value: number): boolean {
    const hash = hashBytes(buffer, start, end);
    const signed = hash | 0;
    const slots = this.#slots;
    let slot = hash & this.#mask;
    for (;;) {
      const entry = slots[2 * slot + 1]!;
      if (entry === 0) break;
      if (slots[2 * slot] === signed) {
        const at = this.offsets[entry - 1]!;
        if (equalBytes(this.arena, at, at + this.lengths[entry - 1]!, buffer, start, end)) {
          this.sums[entry - 1]! += value;
          return true;
        }
      }
      slot = (slot + 1) & this.#mask;
    }
    return this.#insert(slot, hash, buffer, start, end, value);
  }

  #insert(slot: number, hash: number, buffer: Uint8Array, start: number, end: number, value: number): boolean {
    const length = end - start;
    if (this.count > 0 && this.bytes + length + ENTRY_BYTES > this.#bytesMax) return false;
    if (this.#arenaUsed + length > this.arena.length) this.arena = grown(this.arena, this.#arenaUsed + length, this.#bytesMax);
    const entry = this.count++;
    this.offsets[entry] = this.#arenaUsed;
    this.lengths[entry] = length;
    this.#hashes[entry] = hash;
    this.sums[entry] = value;
    this.#arenaUsed = copyBytes(buffer, start, end, this.arena, this.#arenaUsed);
    this.#slots[2 * slot] = hash | 0;
    this.#slots[2 * slot + 1] = entry + 1;
    if (this.count === this.offsets.length) this.#double();
    return true;
  }

  #double(): void {
    const capacity = this.offsets.length * 2;
    this.offsets = copied(new Uint32Array(capacity), this.offsets);
    this.lengths = copied(new Uint32Array(capacity), this.lengths);
    this.#hashes = copied(new Uint32Array(capacity), this.#hashes);
    this.sums = copied(new Float64Array(capacity), this.sums);
    this.#slots = new Int32Array(capacity * 4);
    this.#mask = capacity * 2 - 1;
    for (let entry = 0; entry < this.count; entry++) {
      let slot = this.#hashes[entry]! & this.#mask;
      while (this.#slots[2 * slot + 1] !== 0) slot = (slot + 1) & this.#mask;
      this.#slots[2 * slot] = this.#hashes[entry]! | 0;
      this.#slots[2 * slot + 1] = entry + 1;
    }
  }

  /** Entries by partition and key. */
  sort(partitionCount: number): KeyOrder {
    const partitions = new Uint16Array(this.count);
    for (let entry = 0; entry < this.count; entry++) partitions[entry] = this.#hashes[entry]! % partitionCount;
    const { arena: bytes, offsets, lengths, count } = this;
    return sortKeys({ bytes, offsets, lengths, partitions, count }, partitionCount);
  }

  /** Forgets all entries and keeps the memory. */
  clear(): void {
    this.count = 0;
    this.#arenaUsed = 0;
    this.#slots.fill(0);
  }
}
