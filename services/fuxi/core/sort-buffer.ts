/**
 * Records waiting to be sorted: keys and values side by side in one arena, their places in parallel arrays.
 * Invariant: `bytes <= bytesMax` unless there is just one record.
 */
import { copyBytes } from './bytes.ts';
import { allocate, copied, grown } from './memory.ts';
import { partitionOf } from './partition.ts';
import { type KeyOrder, sortKeys } from './sort-keys.ts';

const ENTRIES_MIN = 1 << 10;
/** Offset, two lengths and partition of one record, and what sorting it takes (order, code, entry). */
const ENTRY_BYTES = 14 + 16;

export class SortBuffer {
  count = 0;
  arena: Uint8Array = allocate(1 << 16);
  /** Where the key begins; the value follows it. */
  offsets: Uint32Array = new Uint32Array(ENTRIES_MIN);
  keyLengths: Uint32Array = new Uint32Array(ENTRIES_MIN);
  valueLengths: Uint32Array = new Uint32Array(ENTRIES_MIN);
  #partitions: Uint16Array = new Uint16Array(ENTRIES_MIN);
  #arenaUsed = 0;
  readonly #bytesMax: number;
  readonly #partitionCount: number;

  constructor(partitionCount: number, bytesMax: number) {
    this.#partitionCount = partitionCount;
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#arenaUsed + this.count * ENTRY_BYTES;
  }

  /** @returns false when there is no room. */
  add(key: Uint8Array, keyStart: number, keyEnd: number, value: Uint8Array, valueStart: number, valueEnd: number): boolean {
    const length = keyEnd - keyStart + (valueEnd - valueStart);
    if (this.count > 0 && this.bytes + length + ENTRY_BYTES > this.#bytesMax) return false;
    if (this.#arenaUsed + length > this.arena.length) this.arena = grown(this.arena, this.#arenaUsed + length, this.#bytesMax);
    if (this.count === this.offsets.length) this.#double();
    const entry = this.count++;
    this.offsets[entry] = this.#arenaUsed;
    this.keyLengths[entry] = keyEnd - keyStart;
    this.valueLengths[entry] = valueEnd - valueStart;
    this.#partitions[entry] = partitionOf(key, keyStart, keyEnd, this.#partitionCount);
    this.#arenaUsed = copyBytes(key, keyStart, keyEnd, this.arena, this.#arenaUsed);
    this.#arenaUsed = copyBytes(value, valueStart, valueEnd, this.arena, this.#arenaUsed);
    return true;
  }

  #double(): void {
    const capacity = this.offsets.length * 2;
    this.offsets = copied(new Uint32Array(capacity), this.offsets);
    this.keyLengths = copied(new Uint32Array(capacity), this.keyLengths);
    this.valueLengths = copied(new Uint32Array(capacity), this.valueLengths);
    this.#partitions = copied(new Uint16Array(capacity), this.#partitions);
  }

  /** Records by partition and key; those of one key in the order in which they came. */
  sort(): KeyOrder {
    const { arena: bytes, offsets, keyLengths: lengths, count } = this;
    return sortKeys({ bytes, offsets, lengths, partitions: this.#partitions, count }, this.#partitionCount);
  }

  clear(): void {
    this.count = 0;
    this.#arenaUsed = 0;
  }
}
