import { constants } from 'node:fs';
import { ChunkError } from '../../chunk-contract.ts';
import {
  blocksIn,
  decodeRegion,
  decodeState,
  encodeRegion,
  RANDOM_BLOCK_BYTES,
  type RandomState,
  randomDataOffset,
  regionBytes,
  regionOffset,
  sumOf,
  tableBytes,
} from '../../core/random-format.ts';
import { crc } from '../../crc.ts';
import { closeFile, fdatasync, openFile, pread, pwrite } from '../disk.ts';
import type { Commit } from './journal.ts';

/** A block that is not in its place yet. Without bytes: it is all zeros. */
export interface HeldBlock {
  bytes: Uint8Array | undefined;
  sum: number;
  /** The record that says so. */
  commit: Commit | undefined;
}

const ZERO_BLOCK = new Uint8Array(RANDOM_BLOCK_BYTES);
/** Pieces in one write to the chunk's file. */
const RUN_BLOCKS_MAX = 256;
/** A read that meets a checkpoint coming to its end looks again. */
const READ_LOOKS = 3;

interface Sinking {
  blocks: Map<number, HeldBlock>;
  state: RandomState;
}

/**
 * One chunk that may be written anywhere. What it holds is, block by block, the newest of
 *
 *   fresh     written in the journal's present generation
 *   sinking   of the generation before, on its way to the chunk's file
 *   table     in the file, with this sum; a sum of 0 is all zeros, and is not read
 *
 * Changes are made in one tick together with their record (random-store.ts), so there is no time at which only a part of one is to be seen.
 */
export class RandomChunk {
  readonly id: string;
  readonly capacityBytes: number;
  version: number;
  end: number;
  deleted = false;
  /** Operations under way: only a chunk without any is put away. */
  users = 0;
  #sequence: number;
  #table: Uint32Array;
  #fresh = new Map<number, HeldBlock>();
  #sinking: Sinking | undefined;
  /** Its state is another than the file says. */
  #changed = false;
  /** Grows with each checkpoint that came to its end. */
  #sunk = 0;
  readonly #path: string;
  #fd: number | undefined;

  private constructor(path: string, state: RandomState, table: Uint32Array, fd?: number) {
    this.#path = path;
    this.id = state.chunk;
    this.capacityBytes = state.capacityBytes;
    this.version = state.version;
    this.end = state.end;
    this.#sequence = state.sequence;
    this.#table = table;
    this.#fd = fd;
  }

  /** One that is nowhere but in the journal yet. */
  static make(path: string, chunk: string, capacityBytes: number, version: number): RandomChunk {
    const made = new RandomChunk(path, { chunk, capacityBytes, version, end: 0, sequence: 0 }, new Uint32Array(blocksIn(capacityBytes)));
    made.#changed = true;
    return made;
  }

  /**
   * `base`: the journal has all that came after this checkpoint, so a newer region may be one that a crash has torn; else both must be whole.
   * Errors: NoChunk, BadChecksum, DiskFailed.
   */
  static async open(path: string, chunk: string, base?: number): Promise<RandomChunk> {
    const fd = await openFile(path, constants.O_RDWR);
    try {
      const bad = (): ChunkError => new ChunkError('BadChecksum', `the state of chunk ${chunk} is damaged`, { details: { offset: 0 } });
      const capacityBytes = await capacityOf(fd);
      if (capacityBytes === undefined) throw bad();
      const regions = await Promise.all(
        [0, 1].map(async (turn) => {
          const bytes = Buffer.alloc(regionBytes(capacityBytes));
          await pread(fd, bytes, regionOffset(capacityBytes, turn));
          return { whole: decodeRegion(bytes, crc), empty: bytes.every((byte) => byte === 0) };
        }),
      );
      const [newest] = regions.flatMap(({ whole }) => whole ?? []).sort((a, b) => b.state.sequence - a.state.sequence);
      if (newest?.state.chunk !== chunk) throw bad();
      const complete = regions.every(({ whole, empty }) => whole || (empty && newest.state.sequence === 1));
      if (!complete && !(base !== undefined && newest.state.sequence >= base)) throw bad();
      return new RandomChunk(path, newest.state, newest.table, fd);
    } catch (error) {
      closeFile(fd);
      throw error;
    }
  }

  /** The checkpoint that what is written now comes after. */
  get base(): number {
    return this.#sinking?.state.sequence ?? this.#sequence;
  }

  get sunk(): number {
    return this.#sunk;
  }

  /** Nothing of it is in memory alone. */
  get isClean(): boolean {
    return this.#fresh.size === 0 && !this.#sinking && !this.#changed;
  }

  /** Errors: StaleVersion, NoChunk. */
  assertVersion(version: number): void {
    if (this.deleted) throw new ChunkError('NoChunk', `chunk ${this.id} was deleted`);
    if (version !== this.version)
      throw new ChunkError('StaleVersion', `chunk ${this.id} has version ${this.version} here, not ${version}`, {
        details: { version: this.version },
      });
  }

  /** A block that is in memory. */
  held(block: number): HeldBlock | undefined {
    return this.#fresh.get(block) ?? this.#sinking?.blocks.get(block) ?? (this.#table[block] === 0 ? HOLE : undefined);
  }

  hold(block: number, held: HeldBlock): void {
    this.#fresh.set(block, held);
    this.#changed = true;
  }

  /** Its version or end was set. */
  change(state: { version?: number; end?: number }): void {
    this.version = state.version ?? this.version;
    this.end = state.end ?? this.end;
    this.#changed = true;
  }

  /** From this block on all is zeros. */
  forgetFrom(block: number): void {
    for (let at = block; at < this.#table.length; at++) if (this.held(at) !== HOLE) this.#fresh.set(at, HOLE);
    this.#changed = true;
  }

  /** What the table would say if all were in its place. */
  sums(): Uint32Array {
    const sums = this.#table.slice();
    for (const held of [this.#sinking?.blocks, this.#fresh]) for (const [block, { sum }] of held ?? []) sums[block] = sum;
    return sums;
  }

  /** Replicas with the same one have the same bytes. */
  digest(): number {
    return (crc(tableBytes(this.sums())) ^ this.end) >>> 0;
  }

  /** A block as it is, for a write of a part of it: also what is not committed yet. */
  async block(block: number): Promise<Uint8Array> {
    const held = this.held(block);
    if (held) return held.bytes ?? ZERO_BLOCK;
    return this.#readFile(block, 1);
  }

  /** Bytes [offset, offset + length), each block checked. Errors: BadChecksum, DiskFailed, NoChunk. */
  async read(offset: number, length: number): Promise<Buffer> {
    for (let look = 1; ; look++) {
      const sunk = this.#sunk;
      try {
        return await this.#read(offset, length);
      } catch (error) {
        // Its sums may have changed in the middle.
        if (sunk === this.#sunk || look === READ_LOOKS) throw error;
      }
    }
  }

  async #read(offset: number, length: number): Promise<Buffer> {
    const first = Math.floor(offset / RANDOM_BLOCK_BYTES);
    const last = Math.ceil((offset + length) / RANDOM_BLOCK_BYTES);
    const found: (HeldBlock | undefined)[] = [];
    for (let block = first; block < last; block++) {
      const held = this.held(block);
      if (held?.commit && !held.commit.done) await held.commit.promise;
      found.push(held);
    }
    const bytes = Buffer.alloc((last - first) * RANDOM_BLOCK_BYTES);
    const from = found.indexOf(undefined);
    if (from >= 0)
      bytes.set(await this.#readFile(first + from, found.lastIndexOf(undefined) - from + 1, found.slice(from)), from * RANDOM_BLOCK_BYTES);
    found.forEach((held, i) => {
      if (held) bytes.set(held.bytes ?? ZERO_BLOCK, i * RANDOM_BLOCK_BYTES);
    });
    return bytes.subarray(offset - first * RANDOM_BLOCK_BYTES, offset - first * RANDOM_BLOCK_BYTES + length);
  }

  /** Those that were found in memory need not be right here. */
  async #readFile(first: number, count: number, found: readonly (HeldBlock | undefined)[] = []): Promise<Buffer> {
    const bytes = Buffer.alloc(count * RANDOM_BLOCK_BYTES);
    const sums = this.#table.slice(first, first + count);
    if (this.#fd === undefined) throw new ChunkError('NoChunk', `chunk ${this.id} is not open`);
    await pread(this.#fd, bytes, randomDataOffset(this.capacityBytes) + first * RANDOM_BLOCK_BYTES);
    for (let i = 0; i < count; i++) {
      if (found[i] || sumOf(bytes.subarray(i * RANDOM_BLOCK_BYTES, (i + 1) * RANDOM_BLOCK_BYTES), crc) === sums[i]) continue;
      const offset = (first + i) * RANDOM_BLOCK_BYTES;
      throw new ChunkError('BadChecksum', `chunk ${this.id} is damaged on disk at ${offset}`, { details: { offset } });
    }
    return bytes;
  }

  /** All that is in memory now is to be put in its place: `sink` does it. */
  turn(): void {
    if (this.isClean || this.#sinking) return;
    const state = { chunk: this.id, capacityBytes: this.capacityBytes, version: this.version, end: this.end, sequence: this.#sequence + 1 };
    this.#sinking = { blocks: this.#fresh, state };
    this.#fresh = new Map();
    this.#changed = false;
  }

  /** May be tried again after it failed. `syncDirectory`: the file is new. */
  async sink(syncDirectory: () => Promise<void>): Promise<void> {
    const sinking = this.#sinking;
    if (!sinking || this.deleted) return;
    const isNew = this.#fd === undefined;
    this.#fd ??= await openFile(this.#path, constants.O_RDWR | constants.O_CREAT);
    const { blocks, state } = sinking;
    const table = this.#table.slice();
    for (const [block, { sum }] of blocks) table[block] = sum;
    for (const { block, pieces } of runsOf(blocks)) {
      await pwrite(this.#fd, pieces, randomDataOffset(this.capacityBytes) + block * RANDOM_BLOCK_BYTES);
    }
    await pwrite(this.#fd, [encodeRegion(state, table, crc)], regionOffset(this.capacityBytes, state.sequence));
    await fdatasync(this.#fd);
    if (isNew || state.sequence === 1) await syncDirectory();
    this.#table = table;
    this.#sequence = state.sequence;
    this.#sinking = undefined;
    this.#sunk++;
  }

  close(): void {
    if (this.#fd !== undefined) closeFile(this.#fd);
    this.#fd = undefined;
  }
}

const HOLE: HeldBlock = { bytes: undefined, sum: 0, commit: undefined };

/** Of either region: a torn one may be without it. */
async function capacityOf(fd: number): Promise<number | undefined> {
  const page = Buffer.alloc(512);
  await pread(fd, page, 0);
  const first = decodeState(page, crc);
  if (first) return first.capacityBytes;
  // The second region begins where the first one ends, which depends on the capacity, which it says.
  for (let pages = 2; pages <= MAX_REGION_PAGES; pages++) {
    if ((await pread(fd, page, pages * 4096)) < page.length) return undefined;
    const found = decodeState(page, crc);
    if (found && regionBytes(found.capacityBytes) === pages * 4096) return found.capacityBytes;
  }
  return undefined;
}

/** Of a chunk of 1 GiB. */
const MAX_REGION_PAGES = 1 + 256;

/** Neighbours go in one write. */
function runsOf(blocks: Map<number, HeldBlock>): { block: number; pieces: Uint8Array[] }[] {
  const runs: { block: number; pieces: Uint8Array[] }[] = [];
  const written = [...blocks].filter(([, { bytes }]) => bytes).sort(([a], [b]) => a - b);
  for (const [block, { bytes }] of written) {
    const last = runs.at(-1);
    if (last && last.block + last.pieces.length === block && last.pieces.length < RUN_BLOCKS_MAX) last.pieces.push(bytes!);
    else runs.push({ block, pieces: [bytes!] });
  }
  return runs;
}

export function badRange(file: RandomChunk, what: string): ChunkError {
  return new ChunkError('BadRange', `chunk ${file.id}: ${what}`, { details: { length: file.capacityBytes } });
}
