import { join } from 'node:path';
import { assertInvariant } from '../../base/assert.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { DiskWrite, HardState, RaftStored, SnapshotMark } from '../core/raft/types.ts';
import { newState } from '../core/tree/state.ts';
import { Birth, type BirthRecord, openBirth, saveBirth } from './birth.ts';
import { LogDamage } from './damage.ts';
import type { FileSystem, OpenFile } from './file-system.ts';
import {
  assertRoom,
  listFiles,
  makeDir,
  missingSegment,
  type SnapshotName,
  segmentFile,
  snapshotFile,
  syncDir,
  writeAll,
  writePieces,
} from './files.ts';
import { withFinalSyncs } from './final-syncs.ts';
import { frameOf } from './frame.ts';
import { nodeHost, type StorageHost } from './host.ts';
import { KeptSnapshots } from './kept-snapshots.ts';
import { writeNewSegment } from './new-segment.ts';
import type { LoadedSnapshot, Storage, StorageOptions } from './port.ts';
import { Reached } from './reached.ts';
import { LogReader } from './read-log.ts';
import { encodeWrites, portionsOf } from './record.ts';
import { loadSnapshot, snapshotMark, writeSnapshot } from './snapshot-file.ts';

/** 32 MiB replay in well under a second, and a snapshot of a small tree every 32 MiB costs little beside writing them. */
const LOG_BYTES_MAX = 32 * 1024 * 1024;
/** Where a segment ends when no snapshot was made at half of it, for want of room or time: a start reads each as a whole. */
const SEGMENT_BYTES_MAX = 2 * LOG_BYTES_MAX;
/**
 * The open segment is filled with zeros ahead of its end: a sync of bytes that the file had already has no size to write into the file system's
 * journal, and takes 0.28 ms instead of 0.43 where three servers share a disk. A step, a quarter of it, is what one write in many pays for.
 */
const AHEAD_BYTES = 2 * 1024 * 1024;

interface Segment {
  number: number;
  /** The highest index in it. */
  maxIndex: number;
  bytes: number;
}

/** Opens a server's files, or makes the first ones. Throws LogDamage where they cannot be what was written. */
export async function openStorage(
  options: StorageOptions,
  log: Logger,
  clock: Clock = systemClock,
  host: StorageHost = nodeHost,
): Promise<Storage> {
  const { dir, initialConfig, logBytesMax = LOG_BYTES_MAX, segmentBytesMax = SEGMENT_BYTES_MAX, aheadBytes = AHEAD_BYTES } = options;
  const { files } = host;
  await makeDir(dir, files);
  const unlock = await host.lock(dir);
  try {
    const { segments, snapshots, reached, temporary, restoring } = await listFiles(dir, files);
    if (restoring && !options.restoring)
      throw new Error(`${dir}: a restore into it did not come to its end; refusing to start from half of it. Restore it again.`);
    for (const name of temporary) if (!name.startsWith('lock')) await files.remove(join(dir, name));
    const birth = await openBirth({ dir, segments, snapshots, reached }, files);
    // A new directory begins with the group's first configuration as a snapshot of nothing: what a server was told once it keeps.
    if (snapshots.length === 0) {
      if (segments.length > 0) throw new LogDamage(join(dir, segmentFile(segments[0]!)), 'the snapshot before it is missing');
      const first = { index: 0, segment: 1 };
      const nothing = { mark: { index: 0, term: 0, config: initialConfig }, state: newState(), events: [] };
      await writeSnapshot(dir, snapshotFile(first), nothing, files);
      snapshots.push(first);
    }
    const newest = snapshots.at(-1)!;
    const loaded = await loadSnapshot(join(dir, snapshotFile(newest)), files);
    if (loaded.mark.index !== newest.index)
      throw new LogDamage(join(dir, snapshotFile(newest)), 'it is not the snapshot that its name says');
    const storage = new StorageFiles({ dir, log, clock, host, logBytesMax, segmentBytesMax, aheadBytes, unlock, birth, loaded, newest });
    const inUse = segments.filter((each) => each >= newest.segment);
    await storage.openLog(inUse, reached);
    // What a crash left on the way from one snapshot to the next.
    for (const old of segments) if (old < newest.segment) await files.remove(join(dir, segmentFile(old)));
    for (const old of snapshots.slice(0, -1)) await files.remove(join(dir, snapshotFile(old)));
    await syncDir(dir, files);
    return storage;
  } catch (error) {
    await unlock();
    throw error;
  }
}

interface Opening {
  dir: string;
  log: Logger;
  clock: Clock;
  host: StorageHost;
  logBytesMax: number;
  segmentBytesMax: number;
  aheadBytes: number;
  unlock: () => Promise<void>;
  birth: BirthRecord;
  loaded: LoadedSnapshot;
  newest: SnapshotName;
}

class StorageFiles implements Storage {
  readonly birth: Birth;
  readonly #dir: string;
  readonly #log: Logger;
  readonly #makeFile: StorageHost['makeSnapshot'];
  readonly #files: FileSystem;
  readonly #logBytesMax: number;
  readonly #segmentBytesMax: number;
  readonly #aheadBytes: number;
  readonly #aheadStep: Uint8Array;
  readonly #unlock: () => Promise<void>;
  #loaded: LoadedSnapshot | undefined;
  /** What was there at the start; the log's owner has it by the first write. */
  #stored: RaftStored | undefined;
  #newest: SnapshotName & { term: number; bytes: number };
  readonly #kept: KeptSnapshots;
  /** Ascending; the last one is open. */
  #segments: Segment[] = [];
  #reached!: Reached;
  #file!: OpenFile;
  #salt!: Uint8Array;
  /** Up to where the open segment has zeros; infinite when there is no room for more. */
  #zerosUpTo = 0;
  /** As long as the open segment may become. */
  #sealAtBytes: number;
  #hardState: HardState = { term: 0, vote: undefined };
  #failure: Error | undefined;
  /** Writes, rotations and installations: one at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  readonly #closing = new AbortController();
  #making: Promise<unknown> = Promise.resolve();

  constructor({ dir, log, clock, host, logBytesMax, segmentBytesMax, aheadBytes, unlock, birth, loaded, newest }: Opening) {
    this.#dir = dir;
    this.#log = log;
    this.#makeFile = host.makeSnapshot;
    this.#files = withFinalSyncs(host.files, (error) => this.#fail(error));
    this.birth = new Birth(birth, (record) => this.#inTurn(() => saveBirth(dir, record, this.#files)));
    this.#logBytesMax = logBytesMax;
    this.#segmentBytesMax = segmentBytesMax;
    this.#sealAtBytes = segmentBytesMax;
    this.#aheadBytes = aheadBytes;
    this.#aheadStep = new Uint8Array(aheadBytes / 4);
    this.#unlock = unlock;
    this.#loaded = loaded;
    this.#newest = { ...newest, term: loaded.mark.term, bytes: 0 };
    this.#kept = new KeptSnapshots({ dir, files: host.files, clock, log, closing: this.#closing.signal });
  }

  /** Reads the segments and opens the last one at its end; a frame that a crash tore is cut off: nobody was told that it was written. */
  async openLog(numbers: readonly number[], reached: number): Promise<void> {
    this.#reached = new Reached(this.#dir, reached, this.#files);
    const { mark } = this.#loaded!;
    const reader = new LogReader(mark.index, this.#files);
    const missing = missingSegment(this.#newest, numbers, reached);
    if (missing) throw new LogDamage(join(this.#dir, segmentFile(missing.segment)), `it is missing, and ${missing.why}`);
    this.#newest.bytes = await this.#files.bytesOf(join(this.#dir, snapshotFile(this.#newest)));
    let last: { salt: Uint8Array; endOffset: number } | undefined;
    for (const number of numbers) {
      const path = join(this.#dir, segmentFile(number));
      const read = await reader.read(this.#dir, number, { last: number === numbers.at(-1) });
      if (read.torn) {
        const bytes = read.fileBytes - read.endOffset;
        this.#log.warn({ file: path, offset: read.endOffset, bytes, lastIndex: reader.lastIndex }, 'nuwa.log.torn-tail-cut');
      }
      this.#segments.push({ number, maxIndex: read.maxIndex, bytes: read.endOffset });
      last = read;
    }
    this.#hardState = reader.hardState;
    this.#stored = { hardState: reader.hardState, snapshot: mark, entries: reader.entries };
    if (!last) {
      await this.#beginSegment(this.#newest.segment);
      return;
    }
    this.#salt = last.salt;
    this.#file = await this.#files.open(join(this.#dir, segmentFile(this.#open.number)), 'r+');
    await this.#file.truncate(last.endOffset);
    // What was read may never have been synced, where only the process died: from here on this server says that it has it.
    await this.#file.sync();
    this.#zerosUpTo = last.endOffset;
    await this.#reached.note(this.#open.number);
  }

  get stored(): RaftStored {
    assertInvariant(this.#stored, 'what was stored is asked for before anything is written');
    return this.#stored;
  }

  takeLoaded(): LoadedSnapshot {
    const loaded = this.#loaded;
    assertInvariant(loaded, 'what was loaded is given away once');
    this.#loaded = undefined;
    return loaded;
  }

  get logBytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  get wantsSnapshot(): boolean {
    return this.#failure === undefined && this.logBytes > Math.max(this.#logBytesMax, this.#newest.bytes);
  }

  async write(writes: readonly DiskWrite[]): Promise<void> {
    await this.#inTurn(async () => {
      this.#stored = undefined;
      await this.#append(writes);
      for (const { hardState, entries } of writes) {
        if (hardState) this.#hardState = hardState;
        if (entries.length > 0) this.#open.maxIndex = Math.max(this.#open.maxIndex, entries.at(-1)!.index);
      }
    });
    if (this.#open.bytes >= this.#sealAtBytes) this.#seal();
  }

  /** After the write that made the segment long, and before the next; who wrote it need not wait. */
  #seal(): void {
    this.#sealAtBytes = this.#open.bytes + this.#segmentBytesMax / 8; // where it does not go, it is not tried at every write
    this.#inTurn(() => this.#rotate()).catch((error: unknown) => this.#log.warn({ err: error }, 'nuwa.log.not-sealed'));
  }

  makeSnapshot(index: number): Promise<SnapshotMark> {
    const making = this.#makeSnapshot(index);
    this.#making = making.catch(() => {});
    return making;
  }

  newestSnapshot(): { index: number; term: number; bytes: number } {
    const { index, term, bytes } = this.#newest;
    return index === 0 ? { index, term, bytes: 0 } : { index, term, bytes };
  }

  async readSnapshot(index: number, offset: number, bytes: number): Promise<Buffer | undefined> {
    const name = this.#newest.index === index ? this.#newest : this.#kept.find(index);
    if (!name) return undefined;
    this.#kept.noteRead(index);
    const file = await this.#files.open(join(this.#dir, snapshotFile(name)), 'r').catch(() => undefined);
    if (!file) return undefined;
    try {
      const buffer = Buffer.allocUnsafe(bytes);
      const { bytesRead } = await file.read(buffer, 0, bytes, offset);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  }

  /**
   * The order makes each step safe to crash at: the file is whole and checked under a name that nobody looks at; the next segment is there; one
   * rename makes the snapshot count and, by the segment that it names, takes the log before it out of use.
   */
  async installSnapshot(
    index: number,
    bytes: number,
    read: (offset: number, bytes: number) => Promise<Uint8Array>,
  ): Promise<LoadedSnapshot> {
    const aside = `fetched-${index}.tmp`;
    try {
      await assertRoom(this.#dir, bytes + this.#logBytesMax, this.#files);
      await writePieces(join(this.#dir, aside), bytes, read, this.#files);
      const loaded = await loadSnapshot(join(this.#dir, aside), this.#files);
      if (loaded.mark.index !== index) throw new LogDamage(join(this.#dir, aside), `it is of index ${loaded.mark.index}, not ${index}`);
      await this.#inTurn(async () => {
        await this.#rotate();
        const name = { index, segment: this.#open.number };
        await this.#become(name, loaded.mark.term, bytes, aside);
        this.#open.maxIndex = 0;
      });
      return loaded;
    } catch (error) {
      await this.#files.remove(join(this.#dir, aside)).catch(() => {});
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#making;
    await this.#turn;
    await this.#file.close();
    await this.#unlock();
  }

  get #open(): Segment {
    return this.#segments.at(-1)!;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(() => {
      if (this.#failure) throw this.#failure;
      return work();
    });
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Frames of a size that readers take, each synced before the next: only the last one of a file may be torn. */
  async #append(writes: readonly DiskWrite[]): Promise<void> {
    try {
      for (const portion of portionsOf(writes)) {
        const frame = frameOf(encodeWrites(portion), this.#salt);
        await this.#fillAhead(this.#open.bytes + frame.length);
        this.#open.bytes = await writeAll(this.#file, frame, this.#open.bytes);
        await this.#file.datasync();
      }
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** Nothing is written any more. @returns why, to be thrown. */
  #fail(error: unknown): Error {
    this.#failure ??= new Error(`the log could not be written: ${messageOf(error)}`, { cause: error });
    return this.#failure;
  }

  async #fillAhead(end: number): Promise<void> {
    if (this.#zerosUpTo - end >= this.#aheadBytes) return;
    const from = Math.max(this.#zerosUpTo, end);
    try {
      this.#zerosUpTo = await writeAll(this.#file, this.#aheadStep, from);
    } catch {
      this.#zerosUpTo = Number.POSITIVE_INFINITY; // syncs go on as they did
      await this.#file.truncate(from).catch(() => {});
    }
  }

  async #makeSnapshot(index: number): Promise<SnapshotMark> {
    const { index: newestIndex } = this.newestSnapshot();
    if (index <= newestIndex) return snapshotMark(join(this.#dir, snapshotFile(this.#newest)), this.#files);
    // Two trees, the old one and the new, and the log that goes on meanwhile.
    await assertRoom(this.#dir, 2 * this.#newest.bytes + 2 * this.logBytes, this.#files);
    // What the snapshotter reads is sealed.
    await this.#inTurn(() => this.#rotate());
    const next = this.#segments.find(({ maxIndex }) => maxIndex > index) ?? this.#open;
    const name = { index, segment: next.number };
    const from = { snapshot: this.#newest, segments: this.#segments.slice(0, -1).map(({ number }) => number) };
    const to = `made-${index}.tmp`;
    const mark = await this.#makeFile({ dir: this.#dir, index, from, to, log: this.#log, signal: this.#closing.signal });
    try {
      await this.#inTurn(async () => this.#become(name, mark.term, await this.#files.bytesOf(join(this.#dir, to)), to));
    } catch (error) {
      await this.#files.remove(join(this.#dir, to)).catch(() => {});
      throw error;
    }
    return mark;
  }

  /** A snapshot that is whole on the disk takes its place; what it stands for goes. From the rename on there is no way back. */
  async #become(name: SnapshotName, term: number, bytes: number, aside: string): Promise<void> {
    // Another server's snapshot may have taken the place of the log that this one was to go on with.
    if (name.index <= this.#newest.index || name.segment < this.#newest.segment)
      throw new Error(`a snapshot of ${name.index} comes after one of ${this.#newest.index}`);
    const replaced = this.#newest;
    await this.#files.rename(join(this.#dir, aside), join(this.#dir, snapshotFile(name)));
    await syncDir(this.#dir, this.#files);
    this.#newest = { ...name, term, bytes };
    const before = this.#segments.filter(({ number }) => number < name.segment).map(({ number }) => segmentFile(number));
    this.#segments = this.#segments.filter(({ number }) => number >= name.segment);
    // What cannot be removed now is removed at the next start.
    for (const file of before)
      await this.#files
        .remove(join(this.#dir, file))
        .catch((error: unknown) => this.#log.warn({ err: error, file }, 'nuwa.log.not-removed'));
    await this.#kept.replaced(replaced);
  }

  /** Seals the open segment. When that fails, the old one goes on. */
  async #rotate(): Promise<void> {
    const old = this.#file;
    await this.#beginSegment(this.#open.number + 1);
    this.#sealAtBytes = this.#segmentBytesMax;
    await old.close();
  }

  async #beginSegment(number: number): Promise<void> {
    const path = join(this.#dir, segmentFile(number));
    const { file, salt, bytes } = await writeNewSegment(this.#files, `${path}.tmp`, this.#hardState);
    try {
      await this.#files.rename(`${path}.tmp`, path);
      await syncDir(this.#dir, this.#files);
      await this.#reached.note(number);
    } catch (error) {
      // Whether the segment is there nobody knows, and its hard state must not grow old.
      await file.close();
      throw this.#fail(error);
    }
    this.#file = file;
    this.#zerosUpTo = bytes;
    this.#salt = salt;
    this.#segments.push({ number, maxIndex: 0, bytes });
  }
}
