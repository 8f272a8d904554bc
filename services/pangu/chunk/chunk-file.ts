import { constants } from 'node:fs';
import { assertInvariant } from '../../base/assert.ts';
import { recycleAttachment, takeAttachmentBuffer } from '../../kuafu/client.ts';
import { ChunkError } from '../chunk-contract.ts';
import { BLOCK_BYTES } from '../contract.ts';
import { cutAtBlocks, findBadBlock, findMismatch, sumBlocks } from '../core/blocks.ts';
import {
  type ChunkRecord,
  dataOffset,
  decodeIdent,
  encodeHeader,
  encodeRecord,
  encodeTable,
  fullBlocks,
  readableRecords,
  recordOffset,
  TABLE_OFFSET,
} from '../core/chunk-format.ts';
import { crc } from '../crc.ts';
import { isBadChecksum } from './bad-checksum.ts';
import { type DiskCalls, nodeDisk } from './disk.ts';
import { EarlyAppends } from './early-appends.ts';
import { FlushAhead } from './flush-ahead.ts';
import { LogRegion } from './log/log-region.ts';

const VERIFY_STEP_BYTES = 1024 * 1024;

const EMPTY = Buffer.alloc(0);
export type Finish = 'none' | 'sync' | 'seal';

/**
 * One chunk: its file and what is known of it in memory (see core/chunk-format.ts for the layout).
 *
 *   protected ≤ length ≤ accepted ≤ capacity: what the last synced record says, what is written and checked, what is queued
 *   appends are accepted in order of offset and written one after another; reads go beside them, up to `length`
 *   after a failed write nothing is appended any more, but the chunk can still be sealed at what was written
 *   after a failed sync the kernel may have dropped pages it could not write: the chunk is lost
 */
export class ChunkFile {
  readonly chunk: string;
  readonly capacityBytes: number;
  readonly #disk: DiskCalls;
  /** Of a log's chunk: which records its bytes are. */
  readonly log: LogRegion;
  readonly #fd: number;
  readonly #dataOffset: number;
  readonly #syncDirectory: () => Promise<void>;
  #length = 0;
  #accepted = 0;
  #sealed = false;
  /** A seal is queued: nothing more is accepted. */
  #ending = false;
  /** CRC32C of each full block. */
  readonly #table: Uint32Array;
  #tailCrc = 0;
  #headerWritten = false;
  /** The newest record that holds, the newest number given, and the number of the newest record known to be on disk. */
  #record: ChunkRecord | undefined;
  #sequence = 0;
  #protectedSequence = 0;
  #directorySynced = false;
  readonly #flushAhead: FlushAhead;
  #writeFailure: ChunkError | undefined;
  #lost: ChunkError | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  readonly #early = new EarlyAppends();

  private constructor(disk: DiskCalls, fd: number, chunk: string, capacityBytes: number, syncDirectory: () => Promise<void>) {
    this.#disk = disk;
    this.#fd = fd;
    this.chunk = chunk;
    this.capacityBytes = capacityBytes;
    this.#dataOffset = dataOffset(capacityBytes);
    this.log = new LogRegion(disk, fd, this.#dataOffset + capacityBytes);
    this.#table = new Uint32Array(capacityBytes / BLOCK_BYTES);
    this.#syncDirectory = syncDirectory;
    this.#flushAhead = new FlushAhead(disk, fd, (error) => this.lose(error));
  }

  get length(): number {
    return this.#length;
  }

  get sealed(): boolean {
    return this.#sealed;
  }

  /** Undefined when its file is there already. */
  static async create(
    path: string,
    chunk: string,
    capacityBytes: number,
    syncDirectory: () => Promise<void>,
    disk: DiskCalls = nodeDisk,
  ): Promise<ChunkFile | undefined> {
    const fd = await disk.createFile(path);
    return fd === undefined ? undefined : new ChunkFile(disk, fd, chunk, capacityBytes, syncDirectory);
  }

  /** Opens a chunk from before. One that is not sealed is kept to what verifies. Errors: NoChunk, BadChecksum, DiskFailed. */
  static async open(path: string, chunk: string, syncDirectory: () => Promise<void>, disk: DiskCalls = nodeDisk): Promise<ChunkFile> {
    const fd = await disk.openFile(path, constants.O_RDWR);
    try {
      const page = Buffer.alloc(TABLE_OFFSET);
      await disk.pread(fd, page, 0);
      const ident = decodeIdent(page, crc);
      if (ident?.chunk !== chunk)
        throw new ChunkError('BadChecksum', `the file of chunk ${chunk} does not say so`, { details: { offset: 0 } });
      const file = new ChunkFile(disk, fd, chunk, ident.capacityBytes, syncDirectory);
      await file.#recover(readableRecords(page, ident.capacityBytes, crc));
      if (!file.#sealed && (await file.log.isThere())) await file.#recoverLog();
      return file;
    } catch (error) {
      disk.closeFile(fd);
      throw error;
    }
  }

  /**
   * Takes bytes at `offset`, waiting a moment for those before them unless the caller gives up; resolves when they are written, and with `finish` synced or sealed.
   * Errors: BadChecksum (damaged on the way), BadRange, Sealed, NoSpace, DiskFailed.
   */
  async append(
    offset: number,
    bytes: Uint8Array,
    crcs: readonly number[],
    finish: Finish,
    durable: boolean,
    caller?: { readonly signal: AbortSignal },
  ): Promise<void> {
    const bad = findMismatch(bytes, offset, crcs, crc);
    if (bad >= 0) throw new ChunkError('BadChecksum', `bytes for chunk ${this.chunk} were damaged on the way`, { details: { offset } });
    if (offset > this.#accepted) await this.#waitForGap(offset, caller?.signal);
    const end = offset + bytes.length;
    if (end > this.capacityBytes) throw this.#badRange(`${end} bytes do not fit into ${this.capacityBytes}`);
    if (end <= this.#accepted && offset < this.#accepted) return this.#appendAgain(offset, bytes, crcs, finish, durable);
    if (this.#sealed && bytes.length === 0 && finish === 'seal' && end === this.#length) return;
    if (offset !== this.#accepted) throw this.#badRange(`an append at ${offset} when ${this.#accepted} are there`);
    if (this.#sealed || this.#ending)
      throw new ChunkError('Sealed', `chunk ${this.chunk} is sealed at ${this.#accepted}`, { details: { length: this.#accepted } });
    this.#throwIfFailed();
    this.#accepted = end;
    if (finish === 'seal') this.#ending = true;
    const done = this.#enqueue(async () => {
      this.#throwIfFailed();
      if (bytes.length > 0) await this.#write(offset, bytes, crcs, finish);
      await this.#finish(finish, durable);
    });
    this.#early.wake(this.#accepted);
    return done;
  }

  /** Ends the chunk at the length that is asked for, or where it is. Errors: BadRange (it is shorter), DiskFailed. */
  async seal(asked: number | undefined, durable: boolean): Promise<void> {
    this.#ending = true;
    this.#early.wake(this.#accepted, new ChunkError('Sealed', `chunk ${this.chunk} is being sealed`));
    await this.#enqueue(async () => {
      const length = asked ?? this.#length;
      if (length > this.#length) throw this.#badRange(`a seal at ${length} when ${this.#length} are there`);
      if (this.#sealed && length === this.#length) return;
      // Block CRCs are of whole blocks: the part that stays of the last one gets its own, from bytes that verified.
      const tailStart = length - (length % BLOCK_BYTES);
      const { crcs } = await this.read(tailStart, length - tailStart);
      this.#tailCrc = crcs[0] ?? 0;
      this.#length = length;
      this.#accepted = length;
      await this.#writeRecord(true, durable);
      if (!(await this.log.isThere())) await this.#disk.ftruncate(this.#fd, this.#dataOffset + length);
    });
  }

  /** The disk may have lost what was written: nothing more is done with this chunk. */
  lose(error: ChunkError): void {
    this.#lost ??= error;
  }

  /** A sealed chunk keeps no word of its records when a master has them. */
  dropLog(): Promise<void> {
    return this.#enqueue(async () => {
      if (this.#sealed) await this.log.drop(this.#dataOffset + this.#length);
    });
  }

  /**
   * Bytes [offset, offset + length), each block checked, and their CRC32C piece by piece. They lie in `blocks`, which whoever is done with them may give back
   * (`recycleAttachment`). Errors: BadRange, BadChecksum, DiskFailed.
   */
  async read(offset: number, length: number): Promise<{ bytes: Buffer; crcs: number[]; blocks: Buffer }> {
    if (this.#lost) throw this.#lost;
    const known = this.#length;
    const tailBlock = fullBlocks(known);
    const tailCrc = this.#tailCrc;
    if (offset + length > known) throw this.#badRange(`a read up to ${offset + length} when ${known} are there`);
    if (length === 0) return { bytes: EMPTY, crcs: [], blocks: EMPTY };
    const from = offset - (offset % BLOCK_BYTES);
    const to = Math.min(Math.ceil((offset + length) / BLOCK_BYTES) * BLOCK_BYTES, known);
    const blocks = takeAttachmentBuffer(to - from);
    const read = await this.#disk.pread(this.#fd, blocks, this.#dataOffset + from);
    const badAt = findBadBlock(blocks, read, from, (block) => (block === tailBlock ? tailCrc : this.#table[block]), crc);
    if (badAt !== undefined)
      throw new ChunkError('BadChecksum', `chunk ${this.chunk} is damaged on disk at ${badAt}`, { details: { offset: badAt } });
    const bytes = length === blocks.length ? blocks : blocks.subarray(offset - from, offset - from + length);
    const crcs = cutAtBlocks(offset, length).map(({ block, start, length: piece }) =>
      piece === BLOCK_BYTES ? this.#table[block]! : crc(bytes.subarray(start, start + piece)),
    );
    return { bytes, crcs, blocks };
  }

  async verify(length: number): Promise<void> {
    if (length > this.#length) throw this.#badRange(`${length} bytes are wanted, ${this.#length} are there`);
    for (let at = 0; at < length; at += VERIFY_STEP_BYTES)
      recycleAttachment((await this.read(at, Math.min(VERIFY_STEP_BYTES, length - at))).blocks);
  }

  /** Writes down what is known of an open chunk, then closes. No operation may be under way or come after. */
  async close(): Promise<void> {
    await this.#enqueue(async () => {
      if (!this.#sealed && !this.#lost && this.#length > (this.#record?.length ?? 0)) await this.#writeRecord(false, true);
    }).catch(() => {});
    await this.#flushAhead.settled;
    this.#disk.closeFile(this.#fd);
  }

  async #write(offset: number, bytes: Uint8Array, crcs: readonly number[], finish: Finish): Promise<void> {
    assertInvariant(offset === this.#length, 'appends are written in order');
    const tailCrc = sumBlocks(this.#table, offset, bytes, this.#tailCrc, crc, crcs);
    const length = offset + bytes.length;
    try {
      if (this.#headerWritten) {
        await this.#disk.pwrite(this.#fd, [bytes], this.#dataOffset + offset);
      } else {
        const record = finish === 'none' ? undefined : { sequence: 1, length, tailCrc, sealed: finish === 'seal' };
        await this.#disk.pwrite(this.#fd, [this.#header(record), bytes], 0);
        this.#headerWritten = true;
        this.#record = record;
        this.#sequence = record?.sequence ?? 0;
      }
    } catch (error) {
      this.#writeFailure = error as ChunkError;
      this.#early.wake(this.#accepted, this.#writeFailure);
      throw error;
    }
    this.#tailCrc = tailCrc;
    this.#length = length;
  }

  async #finish(finish: Finish, durable: boolean): Promise<void> {
    if (finish !== 'none' && !this.#sealed) await this.#writeRecord(finish === 'seal', durable);
    if (finish === 'none' && durable) this.#flushAhead.reached(this.#length);
  }

  /** A retry of an append whose reply was lost: fine when the same bytes are there. */
  async #appendAgain(offset: number, bytes: Uint8Array, crcs: readonly number[], finish: Finish, durable: boolean): Promise<void> {
    await this.#enqueue(async () => {
      this.#throwIfFailed();
      const there = await this.read(offset, bytes.length);
      if (there.crcs.some((sum, i) => sum !== crcs[i])) throw this.#badRange(`other bytes are at ${offset}`);
      if (finish === 'seal' && this.#length !== offset + bytes.length)
        throw this.#badRange(`a seal at ${offset + bytes.length} when ${this.#length} are there`);
      await this.#finish(finish, durable);
    });
  }

  #header(record: ChunkRecord | undefined): Buffer {
    return encodeHeader({ chunk: this.chunk, capacityBytes: this.capacityBytes }, record, this.#table, crc);
  }

  /** Sees to it that the newest record says how things are; when `durable`, returns when all it relies on is on disk. */
  async #writeRecord(sealed: boolean, durable: boolean): Promise<void> {
    if (this.#record?.length !== this.#length || this.#record.sealed !== sealed) {
      // The protected record keeps its place: skip a number when it is its turn.
      let sequence = this.#sequence + 1;
      if (sequence % 2 === this.#protectedSequence % 2) sequence += 1;
      const record = { sequence, length: this.#length, tailCrc: this.#tailCrc, sealed };
      const recorded = Math.min(fullBlocks(this.#record?.length ?? 0), fullBlocks(this.#length));
      const table = encodeTable(this.#table, recorded, fullBlocks(this.#length));
      try {
        if (!this.#headerWritten) await this.#disk.pwrite(this.#fd, [this.#header(undefined)], 0);
        this.#headerWritten = true;
        if (table.length > 0) await this.#disk.pwrite(this.#fd, [table], TABLE_OFFSET + recorded * 4);
        await this.#disk.pwrite(this.#fd, [encodeRecord(record, crc)], recordOffset(sequence));
      } catch (error) {
        this.#writeFailure = error as ChunkError;
        throw error;
      }
      this.#record = record;
      this.#sequence = sequence;
    }
    if (durable) await this.#sync();
    this.#sealed = sealed;
  }

  async #sync(): Promise<void> {
    const sequence = this.#record?.sequence ?? 0;
    try {
      await Promise.all([this.#disk.fdatasync(this.#fd), this.#directorySynced ? undefined : this.#syncDirectory()]);
    } catch (error) {
      this.#lost = error as ChunkError;
      throw error;
    }
    this.#directorySynced = true;
    this.#protectedSequence = sequence;
  }

  async #recover(records: ChunkRecord[]): Promise<void> {
    const newest = records[0];
    const most = Math.max(0, ...records.map((record) => record.length));
    const table = Buffer.alloc(fullBlocks(most) * 4);
    await this.#disk.pread(this.#fd, table, TABLE_OFFSET);
    for (let block = 0; block < fullBlocks(most); block++) this.#table[block] = table.readUInt32LE(block * 4);
    this.#headerWritten = true;
    this.#sequence = newest?.sequence ?? 0;

    // A sealed chunk is read where it is asked for, block by block; but while the record of a sync before the seal is still there, the seal may
    // not have reached the disk whole, and then that record is the one that holds.
    const trusted = newest?.sealed && records.every((record) => record.sealed);
    for (const record of records) {
      this.#take(record);
      if (trusted || (await this.#verifies())) {
        this.#record = record;
        break;
      }
    }
    if (!this.#record && newest)
      this.#take({ ...newest, sealed: false, length: (await this.#verifiedBlocks(newest)) * BLOCK_BYTES, tailCrc: 0 });
    if (trusted) return;
    // What was read may still be only in the kernel's memory; the next record will overwrite one of the two that are there.
    await this.#sync();
    if (this.#sealed) await this.#recordAgain();
  }

  /** As far as the log's frames and the bytes they tell of are whole. */
  async #recoverLog(): Promise<void> {
    let length = 0;
    let tailCrc = 0;
    for (const frame of await this.log.read()) {
      const bytes = Buffer.allocUnsafe(frame.length);
      const read = await this.#disk.pread(this.#fd, bytes, this.#dataOffset + frame.offset);
      if (read < frame.length || crc(bytes) !== frame.dataCrc) break;
      tailCrc = sumBlocks(this.#table, frame.offset, bytes, tailCrc, crc);
      length += frame.length;
    }
    this.#take({ sequence: 0, length, tailCrc, sealed: false });
    this.#record = undefined;
    await this.#sync();
  }

  #take(record: ChunkRecord): void {
    this.#length = record.length;
    this.#accepted = record.length;
    this.#tailCrc = record.tailCrc;
    this.#sealed = record.sealed;
    this.#ending = record.sealed;
  }

  /** In both places, so that the chunk need not be verified whole when it is opened next. */
  async #recordAgain(): Promise<void> {
    this.#record = undefined;
    await this.#writeRecord(true, false);
  }

  #verifies(): Promise<boolean> {
    return this.verify(this.#length).then(() => true, isBadChecksum);
  }

  async #verifiedBlocks(record: ChunkRecord): Promise<number> {
    for (let block = 0; block < fullBlocks(record.length); block++) {
      this.#take({ ...record, sealed: false, length: (block + 1) * BLOCK_BYTES, tailCrc: 0 });
      const right = await this.read(block * BLOCK_BYTES, BLOCK_BYTES).then(() => true, isBadChecksum);
      if (!right) return block;
    }
    return fullBlocks(record.length);
  }

  #waitForGap(offset: number, signal?: AbortSignal): Promise<void> {
    this.#throwIfFailed();
    const gap = (): ChunkError => this.#badRange(`an append at ${offset} when ${this.#accepted} are there`);
    if (signal?.aborted) return Promise.reject(gap());
    if (this.#ending) return Promise.reject(new ChunkError('Sealed', `chunk ${this.chunk} is sealed at ${this.#accepted}`));
    return this.#early.wait(offset, gap, signal);
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#queue.then(work);
    this.#queue = run.catch(() => {});
    return run;
  }

  #throwIfFailed(): void {
    const failure = this.#lost ?? this.#writeFailure;
    if (failure) throw failure;
  }

  #badRange(what: string): ChunkError {
    return new ChunkError('BadRange', `chunk ${this.chunk}: ${what}`, { details: { length: this.#length } });
  }
}
