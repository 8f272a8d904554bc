import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hasCode, messageOf } from '../../../base/errors.ts';
import { type Logger, silentLogger } from '../../../base/log.ts';
import { ChunkError } from '../../chunk-contract.ts';
import { RANDOM_BLOCK_BYTES, sumOf } from '../../core/random-format.ts';
import { type JournalRecord, recordBytes } from '../../core/random-journal.ts';
import { crc } from '../../crc.ts';
import { DirectorySync } from '../directory-sync.ts';
import { diskBytesOf } from './disk-bytes-of.ts';
import { type Commit, Journal, SEGMENT_BYTES_DEFAULT } from './journal.ts';
import { JournalOpening } from './journal-opening.ts';
import { OpenRandomChunks } from './open-random-chunks.ts';
import { badRange, type RandomChunk } from './random-chunk.ts';
import { SpareSpace } from './spare-space.ts';

/** A checkpoint that the disk refused is tried again. */
const SINK_AGAIN_MS = 500;
/** Left alone on a disk: what the journal holds must find its place. */
const SPARE_SEGMENTS = 3;

export interface RandomStoreOptions {
  segmentBytes?: number;
  log?: Logger;
}

/**
 * The chunks of random files on one disk: `<directory>/chunks/<chunk>`, and the journal that what is written goes to first.
 *
 * A write is acknowledged when its record is on disk: one sequential write and one sync, which it shares with all that come meanwhile. Its blocks stay in
 * memory, and go to their places in the chunk's file when the journal's segment is full, so a block written a hundred times is written in place once.
 * After a crash the journal is read and all of it put in place before anything is answered.
 *
 * Torn or not: each block of 4 KiB is as it was before a write, or as after it; a write that was acknowledged is there whole; one that was not may be
 * there with its whole record (of up to 1 MiB) or not at all. With `durable` false it is in the kernel's memory when it is acknowledged: it survives the end of this process.
 */
export class RandomStore {
  readonly #path: string;
  readonly #log: Logger;
  readonly #segmentBytes: number;
  #chunks: OpenRandomChunks;
  readonly #directory: DirectorySync;
  readonly #journal = new JournalOpening(() => this.#openJournal());
  #sinking: Promise<void> = Promise.resolve();
  #sinkFailure: ChunkError | undefined;
  readonly #space: SpareSpace;
  #closed = false;

  private constructor(path: string, { segmentBytes = SEGMENT_BYTES_DEFAULT, log = silentLogger }: RandomStoreOptions) {
    this.#path = path;
    this.#segmentBytes = segmentBytes;
    this.#log = log;
    this.#directory = new DirectorySync(join(path, 'chunks'));
    this.#space = new SpareSpace(path, SPARE_SEGMENTS * this.#segmentBytes);
    this.#chunks = new OpenRandomChunks(join(path, 'chunks'));
  }

  /** A journal that is there is read now; else one is made when it is first needed. Errors: BadChecksum (of a journal that is damaged: none of its chunks can be trusted). */
  static async open(path: string, options: RandomStoreOptions = {}): Promise<RandomStore> {
    const store = new RandomStore(path, options);
    const there = await readdir(join(path, 'journal')).catch(() => []);
    if (there.length > 0) {
      // Whoever asks for a chunk is told, and takes another replica; what is on the disk stays for those who want to look at it.
      await store.#journal.begin().catch((error) => store.#log.error({ path, error: messageOf(error) }, 'random.journal.failed'));
    }
    return store;
  }

  /** Also of those that nobody can say more of, since the journal cannot be read. */
  async has(chunk: string): Promise<boolean> {
    return this.#use(chunk, async () => true).catch((error) => {
      if (error instanceof ChunkError && error.code === 'NoChunk') return false;
      return this.#isOnDisk(chunk);
    });
  }

  /** Made again it stays what it is. Errors: StaleVersion (it is there with another version), NoSpace. */
  async make(chunk: string, capacityBytes: number, version: number): Promise<void> {
    if (!this.#journal.isWanted) await this.#assertRoom();
    await this.#journal.begin();
    if (await this.has(chunk)) {
      await this.#use(chunk, async (there) => there.assertVersion(version));
      return this.sync();
    }
    await this.#assertRoom();
    const commit = await this.#withRoom(recordBytes(chunk, 0), (journal) => {
      if (this.#chunks.isOpen(chunk)) return undefined;
      const made = this.#chunks.make(chunk, capacityBytes, version);
      return this.#record(journal, made, { kind: 'make' }, true);
    });
    // Somebody else was quicker.
    if (!commit) return this.make(chunk, capacityBytes, version);
    await commit.promise;
  }

  /** Errors: NoChunk, StaleVersion, BadRange, NoSpace, DiskFailed, BadChecksum (a block it changes a part of is damaged). */
  write(chunk: string, write: { version: number; offset: number; bytes: Uint8Array; durable: boolean }): Promise<void> {
    const { version, offset, bytes, durable } = write;
    return this.#use(chunk, async (file) => {
      file.assertVersion(version);
      const end = offset + bytes.length;
      if (end > file.capacityBytes) throw badRange(file, `${end} bytes do not fit into ${file.capacityBytes}`);
      if (bytes.length === 0) return;
      await this.#assertRoom();
      const first = Math.floor(offset / RANDOM_BLOCK_BYTES);
      const count = Math.ceil(end / RANDOM_BLOCK_BYTES) - first;
      const at = offset - first * RANDOM_BLOCK_BYTES;
      const parts = { head: at > 0 ? first : undefined, tail: end % RANDOM_BLOCK_BYTES > 0 ? first + count - 1 : undefined };
      await this.#change(file, { version, bytes: recordBytes(chunk, count), durable, ...parts }, (head, tail) => {
        const image = Buffer.allocUnsafeSlow(count * RANDOM_BLOCK_BYTES);
        if (head) image.set(head, 0);
        if (tail) image.set(tail, (count - 1) * RANDOM_BLOCK_BYTES);
        image.set(bytes, at);
        const blocks = Array.from({ length: count }, (_, i) => image.subarray(i * RANDOM_BLOCK_BYTES, (i + 1) * RANDOM_BLOCK_BYTES));
        file.change({ end: Math.max(file.end, end) });
        return { kind: 'write', firstBlock: first, blocks };
      });
    });
  }

  /** From `length` on the chunk is zeros. */
  cut(chunk: string, cut: { version: number; length: number; durable: boolean }): Promise<void> {
    const { version, length, durable } = cut;
    return this.#use(chunk, async (file) => {
      file.assertVersion(version);
      if (length >= file.end) return;
      const part = length % RANDOM_BLOCK_BYTES;
      const first = Math.floor(length / RANDOM_BLOCK_BYTES);
      const head = part > 0 ? first : undefined;
      await this.#change(file, { version, bytes: recordBytes(chunk, 1), durable, head }, (kept) => {
        const blocks: Uint8Array[] = [];
        if (kept) {
          const image = Buffer.alloc(RANDOM_BLOCK_BYTES);
          image.set(kept.subarray(0, part));
          blocks.push(image);
        }
        file.change({ end: Math.min(file.end, length) });
        return { kind: 'cut', firstBlock: first, blocks };
      });
    });
  }

  /** Never back. Errors: NoChunk, StaleVersion (it is further here). */
  setVersion(chunk: string, version: number): Promise<{ end: number; digest: number }> {
    return this.#use(chunk, async (file) => {
      if (file.version > version) file.assertVersion(version);
      if (file.version < version) {
        await this.#withRoom(recordBytes(chunk, 0), (journal) => {
          if (file.version >= version) return;
          file.change({ version });
          this.#record(journal, file, { kind: 'version' }, true);
        });
      }
      // Also when it was set before: it, and all that the digest speaks of, may still be on its way.
      await this.#journal.get().then((journal) => journal.sync());
      return { end: file.end, digest: file.digest() };
    });
  }

  read(chunk: string, read: { version: number; offset: number; length: number }): Promise<Buffer> {
    return this.#use(chunk, async (file) => {
      file.assertVersion(read.version);
      if (read.offset + read.length > file.capacityBytes) throw badRange(file, `a read up to ${read.offset + read.length}`);
      const bytes = await file.read(read.offset, read.length);
      file.assertVersion(read.version);
      return bytes;
    });
  }

  /** Errors: NoChunk, StaleVersion. */
  assertVersion(chunk: string, version: number): Promise<void> {
    return this.#use(chunk, async (file) => file.assertVersion(version));
  }

  /** Says where the chunk ends, when its blocks are right already; on disk with all of them. */
  async setEnd(chunk: string, { version, end }: { version: number; end: number }): Promise<void> {
    await this.#use(chunk, (file) =>
      this.#withRoom(recordBytes(chunk, 0), async (journal) => {
        file.assertVersion(version);
        file.change({ end });
        await this.#record(journal, file, { kind: 'version' }, true).promise;
      }),
    );
  }

  /** What the table says of each block, and where the chunk ends. */
  sums(chunk: string): Promise<{ version: number; end: number; sums: Uint32Array; digest: number }> {
    return this.#use(chunk, async (file) => ({ version: file.version, end: file.end, sums: file.sums(), digest: file.digest() }));
  }

  /** All that was acknowledged so far is on disk. */
  async sync(): Promise<void> {
    if (this.#journal.isWanted) await (await this.#journal.get()).sync();
  }

  /** Reads all of it back; `pause` is told of each piece. Errors: BadChecksum. */
  verify(chunk: string, pause = async (_bytes: number): Promise<void> => {}): Promise<void> {
    return this.#use(chunk, async (file) => {
      const step = 256 * RANDOM_BLOCK_BYTES;
      for (let at = 0; at < file.capacityBytes; at += step)
        await pause((await file.read(at, Math.min(step, file.capacityBytes - at))).length);
    });
  }

  async delete(chunk: string): Promise<void> {
    if (!this.#journal.isWanted) return;
    try {
      await this.#use(chunk, async (file) => {
        const commit = await this.#withRoom(recordBytes(chunk, 0), (journal) => {
          if (file.deleted) return undefined;
          this.#chunks.forget(file);
          return this.#record(journal, file, { kind: 'delete' }, true);
        });
        await commit?.promise;
      });
    } catch (error) {
      // What is not even on disk is no chunk of this store, whatever its journal says.
      if (!hasCode(error, 'NoChunk', 'BadChecksum') && this.#isOnDisk(chunk)) throw error;
    }
    await this.#chunks.unlink(chunk);
  }

  #isOnDisk(chunk: string): boolean {
    return existsSync(join(this.#path, 'chunks', chunk));
  }

  async figures(): Promise<{ chunkBytes: number; journalBytes: number }> {
    return { chunkBytes: await diskBytesOf(join(this.#path, 'chunks')), journalBytes: await this.#journal.usedBytes() };
  }

  async list(): Promise<string[]> {
    const onDisk = await readdir(join(this.#path, 'chunks')).catch(() => []);
    return [...new Set([...onDisk, ...this.#chunks.ids()])].sort();
  }

  /** All is put in its place. No operation may be under way or come after. */
  async close(): Promise<void> {
    this.#closed = true;
    const journal = this.#journal.isWanted ? await this.#journal.get().catch(() => undefined) : undefined;
    if (journal) {
      // Twice: when neither segment has a record that matters, the next start has nothing to do again.
      for (let i = 0; i < 2; i++) await journal.turn().catch(() => {});
      await this.#sinking;
      journal.close();
    }
    for (const file of this.#chunks.all()) file.close();
    this.#directory.close();
  }

  /**
   * One change of blocks, of which two may be changed in part (`head`, `tail`): what else is in those is taken as it is in the tick of the change, since
   * others may change it, or it may find its place, while it is read.
   */
  async #change(
    file: RandomChunk,
    {
      version,
      bytes,
      durable,
      head,
      tail,
    }: { version: number; bytes: number; durable: boolean; head?: number | undefined; tail?: number | undefined },
    change: (head: Uint8Array | undefined, tail: Uint8Array | undefined) => Pick<JournalRecord, 'kind' | 'firstBlock' | 'blocks'>,
  ): Promise<void> {
    const now = (block: number | undefined, read: Uint8Array | undefined): Uint8Array | undefined => {
      const held = block === undefined ? undefined : file.held(block);
      return held ? (held.bytes ?? ZERO_BLOCK) : read;
    };
    for (;;) {
      const sunk = file.sunk;
      const [headRead, tailRead] = await Promise.all([head, tail].map((block) => (block === undefined ? undefined : file.block(block))));
      const commit = await this.#withRoom(bytes, (journal) => {
        file.assertVersion(version);
        if (file.sunk !== sunk) return undefined;
        return this.#record(journal, file, change(now(head, headRead), now(tail, tailRead)), durable);
      });
      if (commit) return commit.promise;
    }
  }

  /** In one tick: what changes in memory, and the record of it. */
  #record(
    journal: Journal,
    file: RandomChunk,
    { kind, firstBlock = 0, blocks = [] }: Pick<JournalRecord, 'kind'> & Partial<JournalRecord>,
    durable: boolean,
  ): Commit {
    const sums = blocks.map((block) => sumOf(block, crc));
    const { id: chunk, capacityBytes, version, end, base } = file;
    const record: JournalRecord = { kind, chunk, capacityBytes, version, end, base, firstBlock, blocks, sums };
    const commit = journal.add(record, durable);
    this.#apply(file, record, commit);
    return commit;
  }

  #apply(file: RandomChunk, { kind, firstBlock, blocks, sums }: JournalRecord, commit: Commit | undefined): void {
    if (kind !== 'write' && kind !== 'cut') return;
    blocks.forEach((bytes, i) => {
      file.hold(firstBlock + i, { bytes: sums[i] === 0 ? undefined : bytes, sum: sums[i]!, commit });
    });
    if (kind === 'cut') file.forgetFrom(firstBlock + blocks.length);
  }

  async #replay(record: JournalRecord): Promise<void> {
    const { kind, chunk, capacityBytes, version, end, base } = record;
    let file = await this.#chunks.load(chunk, base).catch((error) => {
      if (error instanceof ChunkError && (error.code === 'NoChunk' || error.code === 'BadChecksum')) return undefined;
      throw error;
    });
    if (kind === 'delete') {
      if (file) this.#chunks.forget(file);
      return this.#chunks.unlink(chunk);
    }
    if (!file) {
      // Of one that a later record deletes, or whose file is damaged or gone: whoever asks for it is told.
      if (kind !== 'make') return;
      file = this.#chunks.make(chunk, capacityBytes, version);
    }
    file.change({ version, end });
    this.#apply(file, { ...record, blocks: record.blocks.map((block) => Uint8Array.from(block)) }, undefined);
  }

  async #openJournal(): Promise<Journal> {
    // Nothing is left of what an earlier try has read.
    for (const file of this.#chunks.all()) file.close();
    this.#chunks = new OpenRandomChunks(join(this.#path, 'chunks'));
    await mkdir(join(this.#path, 'chunks'), { recursive: true });
    const above = new DirectorySync(this.#path);
    const journal = await Journal.open(
      join(this.#path, 'journal'),
      { segmentBytes: this.#segmentBytes, settled: () => this.#sinking, onTurn: () => this.#turn() },
      (record) => this.#replay(record),
    );
    await above.sync();
    above.close();
    if (journal.hasPast) {
      this.#turn();
      await this.#sinking;
    }
    this.#chunks.replayed();
    await journal.begin();
    const own = new DirectorySync(join(this.#path, 'journal'));
    await own.sync();
    own.close();
    return journal;
  }

  /** `work` runs in a tick in which there is room in the journal. Errors: NoSpace, DiskFailed, and those of `work`. */
  async #withRoom<T>(bytes: number, work: (journal: Journal) => T): Promise<T> {
    const journal = await this.#journal.get();
    for (;;) {
      const room = journal.room(bytes);
      if (!room) return work(journal);
      if (this.#sinkFailure) throw this.#sinkFailure;
      await room;
    }
  }

  #turn(): void {
    const dirty = [...this.#chunks.all()].filter((file) => !file.isClean);
    for (const file of dirty) file.turn();
    this.#sinking = this.#sink(dirty);
  }

  /** One chunk after the other, so that the journal's syncs keep most of the disk. */
  async #sink(dirty: readonly RandomChunk[]): Promise<void> {
    for (const file of dirty) {
      file.users++;
      for (;;) {
        try {
          await file.sink(() => this.#directory.sync());
          this.#sinkFailure = undefined;
          break;
        } catch (error) {
          this.#sinkFailure = error as ChunkError;
          this.#log.warn({ chunk: file.id, error: messageOf(error) }, 'random.checkpoint.failed');
          if (this.#closed) break;
          await delay(SINK_AGAIN_MS);
        }
      }
      if (file.deleted) await this.#chunks.unlink(file.id).catch(() => {}); // it may have been made just after it was removed
      this.#chunks.leave(file);
    }
  }

  async #assertRoom(): Promise<void> {
    if (this.#sinkFailure) throw this.#sinkFailure;
    await this.#space.assert();
  }

  async #use<T>(chunk: string, work: (file: RandomChunk) => Promise<T>): Promise<T> {
    // Until the journal has been read nobody knows what a chunk holds.
    await this.#journal.get();
    return this.#chunks.use(chunk, work);
  }
}

const ZERO_BLOCK = new Uint8Array(RANDOM_BLOCK_BYTES);
