import { constants } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { assertInvariant } from '../../../base/assert.ts';
import { ChunkError } from '../../chunk-contract.ts';
import { sumOf } from '../../core/random-format.ts';
import {
  decodeSegmentHeader,
  encodeRecordHead,
  encodeSegmentHeader,
  type JournalRecord,
  RECORDS_OFFSET,
  readSegment,
  recordBytes,
} from '../../core/random-journal.ts';
import { crc } from '../../crc.ts';
import { closeFile, fdatasync, openFile, pread, pwrite } from '../disk.ts';

/** More of it and checkpoints are rarer, and write a block that is written often fewer times; all of it is in memory, and read when the server starts. */
export const SEGMENT_BYTES_DEFAULT = 32 * 1024 * 1024;
/** A segment becomes longer by so much at a time; once it has its full length a sync of it has no lengths to write down. */
const GROW_BYTES = 1024 * 1024;

/** A record on its way. Blocks of it may be read once it is `done`: written, and on disk if whoever wrote it wants that. */
export interface Commit {
  readonly promise: Promise<void>;
  done: boolean;
}

interface Waiting extends Commit {
  record: JournalRecord;
  position: number;
  durable: boolean;
  resolve: () => void;
  reject: (error: unknown) => void;
}

export interface JournalOptions {
  /** @default SEGMENT_BYTES_DEFAULT */
  segmentBytes?: number;
  /** Nobody adds records at this moment: what they say so far is to go to its place. Called when no more of this generation come. */
  onTurn: () => void;
  /** Resolves when all that was there at `onTurn` is on disk in its place. */
  settled: () => Promise<void>;
}

/**
 * Records of one server in the order in which they were added, made durable in groups: those that come while one sync is under way share the next
 * (core/random-journal.ts says how they lie on disk). A writer asks for room first and adds its record in the same tick in which it has got it, so that what
 * it changes in memory and the record are of one generation.
 */
export class Journal {
  readonly #path: string;
  readonly #options: Required<Pick<JournalOptions, 'segmentBytes'>> & JournalOptions;
  #generation = 0;
  #previousBytes = RECORDS_OFFSET;
  readonly #fds: (number | undefined)[] = [undefined, undefined];
  readonly #grownBytes = [0, 0];
  /** Of the present segment: where the next record begins, what was written, what was synced. */
  #position = RECORDS_OFFSET;
  #writtenBytes = RECORDS_OFFSET;
  #syncedBytes = RECORDS_OFFSET;
  #queue: Waiting[] = [];
  #running: Promise<void> | undefined;
  #turning: Promise<void> | undefined;
  #failure: ChunkError | undefined;

  private constructor(path: string, options: JournalOptions) {
    this.#path = path;
    this.#options = { segmentBytes: SEGMENT_BYTES_DEFAULT, ...options };
  }

  /**
   * Gives what was written before, oldest first, to `replay`. Nothing may be added until `begin`.
   * Errors: BadChecksum (records that had been on disk are not whole).
   */
  static async open(path: string, options: JournalOptions, replay: (record: JournalRecord) => Promise<void>): Promise<Journal> {
    await mkdir(path, { recursive: true });
    const journal = new Journal(path, options);
    await journal.#replay(replay);
    return journal;
  }

  /** True when records were found: they must be in their place before `begin`. */
  get hasPast(): boolean {
    return this.#generation > 0;
  }

  /** All that was replayed is in its place. */
  async begin(): Promise<void> {
    await this.#startSegment();
  }

  /** What a start that came now would have to read. */
  get usedBytes(): number {
    return this.#position;
  }

  /** Undefined: there is room for a record of so many bytes now, in this tick. Else to be asked again. Errors: NoSpace, DiskFailed. */
  room(bytes: number): Promise<void> | undefined {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#turning) return this.#turning;
    const end = this.#position + bytes;
    if (end > this.#options.segmentBytes) return this.#turn();
    return end > this.#grownBytes[this.#generation % 2]! ? this.#grow(end) : undefined;
  }

  /** Only in a tick in which `room` was there. */
  add(record: JournalRecord, durable: boolean): Commit {
    const bytes = recordBytes(record.chunk, record.blocks.length);
    assertInvariant(!this.#turning && this.#position + bytes <= this.#options.segmentBytes, 'a record has room');
    let resolve!: () => void;
    let reject!: (error: unknown) => void;
    const promise = new Promise<void>((res, rej) => {
      resolve = res;
      reject = rej;
    });
    promise.catch(() => {}); // heard by those who wait for it
    const waiting: Waiting = { record, position: this.#position, durable, promise, done: false, resolve, reject };
    this.#position += bytes;
    this.#queue.push(waiting);
    this.#running ??= this.#run();
    return waiting;
  }

  /** Everything added so far is on disk. */
  async sync(): Promise<void> {
    const wanted = this.#position;
    const generation = this.#generation;
    while (this.#generation === generation && this.#syncedBytes < wanted) {
      if (this.#failure) throw this.#failure;
      if (this.#running) await this.#running;
      else {
        this.#running = this.#guarded(() => this.#sync());
        await this.#running;
      }
    }
    if (this.#failure) throw this.#failure;
  }

  /** A new generation begins now, whatever room there is. */
  async turn(): Promise<void> {
    await (this.#turning ?? this.#turn());
    if (this.#failure) throw this.#failure;
  }

  close(): void {
    for (const fd of this.#fds) if (fd !== undefined) closeFile(fd);
    this.#failure ??= new ChunkError('DiskFailed', 'this server stops');
  }

  /** One group after the other: what came while one was written and synced is the next. */
  #run(): Promise<void> {
    return this.#guarded(async () => {
      while (this.#queue.length > 0) {
        const group = this.#queue;
        this.#queue = [];
        try {
          await this.#write(group);
          if (group.some(({ durable }) => durable)) await this.#sync();
        } catch (error) {
          for (const each of group) each.reject(error);
          throw error;
        }
        for (const each of group) {
          each.done = true;
          each.resolve();
        }
      }
    });
  }

  /** After a failure nothing is known of the segment: no more is added to it, and no more is promised, until the server starts again. */
  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#failure ??= error as ChunkError;
    } finally {
      // What came while this was at its end would be forgotten.
      this.#running = this.#queue.length > 0 && !this.#failure ? this.#run() : undefined;
      if (this.#failure) for (const each of this.#queue.splice(0)) each.reject(this.#failure);
    }
  }

  async #write(group: readonly Waiting[]): Promise<void> {
    const pieces = group.flatMap(({ record, position }) => {
      const place = { generation: this.#generation, position, syncedBytes: this.#syncedBytes };
      return [encodeRecordHead(record, place, crc), ...record.blocks];
    });
    const first = group[0]!.position;
    await pwrite(this.#fd, pieces, first);
    this.#writtenBytes = first + pieces.reduce((sum, piece) => sum + piece.length, 0);
  }

  async #sync(): Promise<void> {
    const written = this.#writtenBytes;
    await fdatasync(this.#fd);
    this.#syncedBytes = Math.max(this.#syncedBytes, written);
  }

  #turn(): Promise<void> {
    this.#turning ??= this.#turnOnce()
      .catch((error) => {
        this.#failure ??= error as ChunkError;
      })
      .finally(() => {
        this.#turning = undefined;
      });
    return this.#turning;
  }

  async #turnOnce(): Promise<void> {
    while (this.#running) await this.#running;
    if (this.#failure) return;
    if (this.#syncedBytes < this.#writtenBytes) await this.#sync();
    // The other segment is free when what it says is in its place.
    await this.#options.settled();
    this.#options.onTurn();
    this.#previousBytes = this.#position;
    await this.#startSegment();
  }

  async #startSegment(): Promise<void> {
    this.#generation++;
    const turn = this.#generation % 2;
    this.#fds[turn] ??= await openFile(join(this.#path, String(turn)), constants.O_RDWR | constants.O_CREAT);
    await pwrite(this.#fd, [encodeSegmentHeader({ generation: this.#generation, previousBytes: this.#previousBytes }, crc)], 0);
    await fdatasync(this.#fd);
    this.#grownBytes[turn] = Math.max(this.#grownBytes[turn]!, RECORDS_OFFSET);
    this.#position = RECORDS_OFFSET;
    this.#writtenBytes = RECORDS_OFFSET;
    this.#syncedBytes = RECORDS_OFFSET;
  }

  #growing: Promise<void> | undefined;

  /** Zeros where records will be, so that a full disk is noticed before a record is promised. */
  #grow(end: number): Promise<void> {
    const turn = this.#generation % 2;
    this.#growing ??= (async () => {
      const from = this.#grownBytes[turn]!;
      const to = Math.min(this.#options.segmentBytes, Math.max(end, from + GROW_BYTES));
      await pwrite(this.#fds[turn]!, [Buffer.alloc(to - from)], from);
      this.#grownBytes[turn] = to;
    })().finally(() => {
      this.#growing = undefined;
    });
    return this.#growing;
  }

  get #fd(): number {
    return this.#fds[this.#generation % 2]!;
  }

  async #replay(replay: (record: JournalRecord) => Promise<void>): Promise<void> {
    const segments = await Promise.all([0, 1].map((turn) => this.#readSegment(turn)));
    const found = segments
      .flatMap((segment) => {
        const header = decodeSegmentHeader(segment, crc);
        return header ? [{ segment, ...header }] : [];
      })
      .sort((a, b) => a.generation - b.generation);
    for (const [i, { segment, generation }] of found.entries()) {
      const next = found[i + 1];
      const bytesAtLeast = next?.generation === generation + 1 ? next.previousBytes : RECORDS_OFFSET;
      const { records, end, damaged } = readSegment(segment, generation, bytesAtLeast, { crc, sumOf: (block) => sumOf(block, crc) });
      if (damaged)
        throw new ChunkError('BadChecksum', `${this.#path}: records that were on disk are not whole`, { details: { offset: end } });
      for (const record of records) await replay(record);
      this.#generation = generation;
      this.#previousBytes = end;
    }
  }

  async #readSegment(turn: number): Promise<Buffer> {
    const path = join(this.#path, String(turn));
    const fd = await openFile(path, constants.O_RDWR | constants.O_CREAT);
    this.#fds[turn] = fd;
    const segment = Buffer.allocUnsafeSlow(this.#options.segmentBytes);
    const read = await pread(fd, segment, 0);
    this.#grownBytes[turn] = read;
    return segment.subarray(0, read);
  }
}
