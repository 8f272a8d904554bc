import { hasCode } from '../../base/errors.ts';
import { ChunkError } from '../chunk-contract.ts';
import { dataOffset } from '../core/chunk-format.ts';
import { smallest } from '../core/smallest.ts';
import { ChunkFile } from './chunk-file.ts';
import type { ChunkDisk } from './disks/chunk-disk.ts';
import { DiskSet, type DiskSetOptions } from './disks/disk-set.ts';
import { keepBest } from './disks/keep-best.ts';

/** Chunks kept open. Opening one again costs about 0.2 ms; each takes a descriptor (of 4,096 at least that systems give) and 4 KiB of table for 64 MiB. */
const OPEN_MAX = 2_048;
/** How many deletions are remembered: far more than happen in the time an append can be late. */
const DELETED_MAX = 10_000;

interface OpenChunk {
  file: ChunkFile;
  disk: ChunkDisk;
}

interface Entry {
  open: Promise<OpenChunk>;
  /** Operations under way. A descriptor is never closed under one: its number could by then be another file's. */
  users: number;
  /** Deleted, moved or put away: the last user closes it. */
  leaving: boolean;
}

/**
 * The chunks of one server, each a file on one of its disks (disks/disk-set.ts). Nothing is scanned at start: a chunk is looked at when it is first asked
 * for. Files are removed only when a master says so; one that cannot be read stays where it is, and its reader is told.
 */
export class ChunkStore {
  readonly disks: DiskSet;
  /** In order of last use. */
  readonly #entries = new Map<string, Entry>();
  /** Put away, but not yet closed: who asks for one waits, and opens it anew. */
  readonly #closing = new Map<string, Promise<void>>();
  /** An append that comes after its chunk was deleted must not make it again. In order of deletion. */
  readonly #deleted = new Set<string>();
  /** Bytes of chunks that went through here. */
  readonly traffic = { readBytes: 0, writtenBytes: 0 };

  private constructor(disks: DiskSet) {
    this.disks = disks;
    disks.onFailed((disk) => void this.#letGoOf(disk));
  }

  static async open(options: DiskSetOptions): Promise<ChunkStore> {
    return new ChunkStore(await DiskSet.open(options));
  }

  /** Runs `work` on a chunk that is here. Errors: NoChunk, BadChecksum, DiskFailed, and those of `work`. */
  use<T>(chunk: string, work: (file: ChunkFile) => Promise<T>): Promise<T> {
    return this.#with(chunk, () => this.#find(chunk), work);
  }

  /** The same; the chunk is made when it is neither open nor on disk. `fresh`: it most likely is not. */
  useOrCreate<T>(chunk: string, capacityBytes: number, fresh: boolean, work: (file: ChunkFile) => Promise<T>): Promise<T> {
    const find = async (): Promise<OpenChunk> => {
      // With one disk it is found out by trying to make it; with several it may be on another one.
      if (!fresh || this.disks.all.length > 1) {
        try {
          return await this.#find(chunk);
        } catch (error) {
          // What cannot be found because a disk is out is not here either: a chunk that was begun there is known to be.
          const elsewhere = hasCode(error, 'DiskFailed') && this.disks.isIncomplete && !this.disks.isKnown(chunk);
          if (!hasCode(error, 'NoChunk') && !elsewhere) throw error;
        }
      }
      if (this.#deleted.has(chunk)) throw new ChunkError('NoChunk', `chunk ${chunk} was deleted`);
      return (await this.#create(chunk, capacityBytes)) ?? this.#find(chunk);
    };
    return this.#with(chunk, find, work);
  }

  /** The same for a copy: it may come after the chunk was deleted here, and what is here of it and can't be read makes way. */
  async useForCopy<T>(chunk: string, capacityBytes: number, work: (file: ChunkFile) => Promise<T>): Promise<T> {
    await this.use(chunk, async () => {}).catch(async (error) => {
      if (hasCode(error, 'BadChecksum')) await this.delete(chunk);
      if (hasCode(error, 'DiskFailed')) this.disks.forget(chunk); // it may begin anew on a disk that works
    });
    this.#deleted.delete(chunk);
    return this.useOrCreate(chunk, capacityBytes, false, work);
  }

  async delete(chunk: string): Promise<void> {
    this.#letGo(chunk);
    this.#deleted.add(chunk);
    if (this.#deleted.size > DELETED_MAX) this.#deleted.delete(this.#deleted.values().next().value!);
    // From all disks: none is to bring it back.
    await Promise.all(this.disks.usable.map((disk) => disk.remove(chunk).catch(unlessOut(disk))));
    this.disks.forget(chunk);
  }

  /** No disk that works has a file of it. */
  async isMissing(chunk: string): Promise<boolean> {
    // Twice, since a chunk that moves between disks may be overlooked once.
    return (await this.#isNowhere(chunk)) && this.#isNowhere(chunk);
  }

  async list(after: string, limit: number): Promise<{ chunks: string[]; more: boolean }> {
    const names = await Promise.all(this.disks.usable.map((disk) => disk.names()));
    const found = smallest(laterThan(after, names), limit + 1);
    return { chunks: found.slice(0, limit), more: found.length > limit };
  }

  /**
   * Runs `work` on a sealed chunk that nobody else uses, told where it is; undefined when it is not so. `work` says with `become` where it is from then on:
   * when it is still so in that moment, the next user opens it there.
   */
  async useToMove<T>(
    chunk: string,
    work: (from: ChunkDisk, length: number, become: (to: ChunkDisk) => boolean) => Promise<T>,
  ): Promise<T | undefined> {
    return this.use(chunk, async ({ sealed, length, log }) => {
      const entry = this.#entries.get(chunk);
      // What a master has yet to be told of a log's records would be left behind.
      if (!sealed || !entry || (await log.isThere())) return undefined;
      const { file, disk } = await entry.open;
      const become = (to: ChunkDisk): boolean => {
        if (this.#entries.get(chunk) !== entry || entry.users > 1 || file.length !== length) return false;
        this.#letGo(chunk);
        this.disks.remember(chunk, to);
        return true;
      };
      return work(disk, length, become);
    });
  }

  /** Undefined: it is written to. Errors: NoChunk, BadChecksum, DiskFailed. */
  async placeOfSealed(chunk: string): Promise<{ path: string; dataOffset: number } | undefined> {
    return this.use(chunk, async ({ sealed, capacityBytes }) => {
      const entry = this.#entries.get(chunk);
      if (!sealed || !entry) return undefined;
      return { path: (await entry.open).disk.pathOf(chunk), dataOffset: dataOffset(capacityBytes) };
    });
  }

  /** Waits for nobody: to be called when no more requests come. */
  async close(): Promise<void> {
    const open = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.all(open.map((entry) => closeQuietly(entry.open)));
    this.disks.close();
  }

  async #find(chunk: string): Promise<OpenChunk> {
    const holders = await this.disks.find(chunk);
    if (holders.length === 0) throw new ChunkError('NoChunk', `chunk ${chunk} is not here`);
    const disk = holders.length === 1 ? holders[0]! : await keepBest(chunk, holders);
    try {
      const file = await ChunkFile.open(disk.pathOf(chunk), chunk, disk.syncDirectory, disk.calls);
      this.disks.remember(chunk, disk);
      return { file, disk };
    } catch (error) {
      if (!hasCode(error, 'NoChunk')) throw disk.heard(error);
      this.disks.forget(chunk);
      throw error;
    }
  }

  /** On the disk that is drawn; when it turns out to be out, on another one. Undefined: it is here. */
  async #create(chunk: string, capacityBytes: number): Promise<OpenChunk | undefined> {
    for (;;) {
      const disk = this.disks.choose(dataOffset(capacityBytes) + capacityBytes);
      try {
        const file = await ChunkFile.create(disk.pathOf(chunk), chunk, capacityBytes, disk.syncDirectory, disk.calls);
        if (!file) return undefined;
        if (disk.files !== undefined) disk.files++;
        this.disks.remember(chunk, disk);
        return { file, disk };
      } catch (error) {
        disk.heard(error);
        if (!hasCode(error, 'DiskFailed')) throw error;
        await disk.look();
        if (!disk.failed) throw error;
      }
    }
  }

  async #with<T>(chunk: string, open: () => Promise<OpenChunk>, work: (file: ChunkFile) => Promise<T>): Promise<T> {
    let entry = this.#entries.get(chunk);
    if (entry) {
      this.#entries.delete(chunk);
    } else {
      const closing = this.#closing.get(chunk);
      entry = { open: closing ? closing.then(open) : open(), users: 0, leaving: false };
    }
    this.#entries.set(chunk, entry);
    entry.users++;
    let disk: ChunkDisk | undefined;
    try {
      const opened = await entry.open;
      disk = opened.disk;
      disk.busy++;
      if (disk.failed) throw disk.failure();
      return await work(opened.file);
    } catch (error) {
      if (!disk) this.#letGo(chunk, entry);
      disk?.heard(error);
      throw error;
    } finally {
      if (disk) disk.busy--;
      entry.users--;
      if (entry.users === 0 && entry.leaving) void closeQuietly(entry.open);
      this.#putAwayOldest();
    }
  }

  async #isNowhere(chunk: string): Promise<boolean> {
    // Whoever can't tell may have it, unless that was the end of the disk.
    const has = await Promise.all(this.disks.usable.map((disk) => disk.has(chunk).catch(() => !disk.failed)));
    return !has.includes(true);
  }

  #putAwayOldest(): void {
    if (this.#entries.size <= OPEN_MAX) return;
    for (const [chunk, entry] of this.#entries) {
      if (entry.users > 0) continue;
      this.#entries.delete(chunk);
      const closed = closeQuietly(entry.open).finally(() => this.#closing.delete(chunk));
      this.#closing.set(chunk, closed);
      return;
    }
  }

  /** Those that are open on it answer that it failed; what comes later finds out anew. */
  async #letGoOf(disk: ChunkDisk): Promise<void> {
    for (const [chunk, entry] of this.#entries) {
      const opened = await entry.open.catch(() => undefined);
      if (opened?.disk === disk) this.#letGo(chunk, entry);
    }
  }

  #letGo(chunk: string, entry = this.#entries.get(chunk)): void {
    if (!entry) return;
    if (this.#entries.get(chunk) === entry) this.#entries.delete(chunk);
    entry.leaving = true;
    if (entry.users === 0) void closeQuietly(entry.open);
  }
}

function* laterThan(after: string, lists: readonly string[][]): Iterable<string> {
  for (const names of lists) for (const name of names) if (name > after) yield name;
}

/** A disk that is out brings nothing back. */
function unlessOut(disk: ChunkDisk): (error: unknown) => boolean {
  return (error) => {
    if (disk.failed) return false;
    throw error;
  };
}

async function closeQuietly(open: Promise<OpenChunk>): Promise<void> {
  await open.then(({ file }) => file.close()).catch(() => {});
}
