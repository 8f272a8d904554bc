import { mkdir, readdir, statfs, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ChunkError } from '../chunk-contract.ts';
import { ChunkFile } from './chunk-file.ts';
import { DirectorySync } from './directory-sync.ts';
import { diskError } from './disk.ts';

/** Chunks kept open. Opening one again costs about 0.2 ms; each takes a descriptor and 4 KiB of table for 64 MiB. */
const OPEN_MAX = 512;
/** How many deletions are remembered: far more than happen in the time an append can be late. */
const DELETED_MAX = 10_000;

interface Entry {
  file: Promise<ChunkFile>;
  /** Operations under way. A descriptor is never closed under one: its number could by then be another file's. */
  users: number;
  /** Deleted or put away: the last user closes it. */
  leaving: boolean;
}

/**
 * The chunks of one server, `<dataDir>/chunks/<chunk>`. All in one directory, so that one sync of it serves all that were made meanwhile; file
 * systems of today look up a name among millions as quickly as among few. Nothing is scanned at start: a chunk is looked at when it is first asked for.
 * Files are removed only when a master says so; one that cannot be read stays where it is, and its reader is told.
 */
export class ChunkStore {
  readonly #path: string;
  /** In order of last use. */
  readonly #entries = new Map<string, Entry>();
  /** Put away, but not yet closed: who asks for one waits, and opens it anew. */
  readonly #closing = new Map<string, Promise<void>>();
  readonly #directory: DirectorySync;
  /** An append that comes after its chunk was deleted must not make it again. In order of deletion. */
  readonly #deleted = new Set<string>();
  /** Bytes of chunks that went through here. */
  readonly traffic = { readBytes: 0, writtenBytes: 0 };
  #files: number | undefined;

  private constructor(path: string) {
    this.#path = path;
    this.#directory = new DirectorySync(path);
  }

  static async open(dataDir: string): Promise<ChunkStore> {
    const path = join(dataDir, 'chunks');
    await mkdir(path, { recursive: true });
    const made = new DirectorySync(dataDir);
    await made.sync();
    made.close();
    const store = new ChunkStore(path);
    void store.#countFiles();
    return store;
  }

  /** Chunk files on the disk; undefined until they have been counted, which nobody waits for. */
  get files(): number | undefined {
    return this.#files;
  }

  /** Runs `work` on a chunk that is here. Errors: NoChunk, BadChecksum, and those of `work`. */
  use<T>(chunk: string, work: (file: ChunkFile) => Promise<T>): Promise<T> {
    return this.#with(chunk, () => ChunkFile.open(this.#file(chunk), chunk, this.#syncDirectory), work);
  }

  /** The same; the chunk is made when it is neither open nor on disk. `fresh`: it most likely is not. */
  useOrCreate<T>(chunk: string, capacityBytes: number, fresh: boolean, work: (file: ChunkFile) => Promise<T>): Promise<T> {
    const path = this.#file(chunk);
    const open = (): Promise<ChunkFile> => ChunkFile.open(path, chunk, this.#syncDirectory);
    const find = async (): Promise<ChunkFile> => {
      if (!fresh) {
        try {
          return await open();
        } catch (error) {
          if (!(error instanceof ChunkError) || error.code !== 'NoChunk') throw error;
        }
      }
      if (this.#deleted.has(chunk)) throw new ChunkError('NoChunk', `chunk ${chunk} was deleted`);
      const created = await ChunkFile.create(path, chunk, capacityBytes, this.#syncDirectory);
      if (created && this.#files !== undefined) this.#files++;
      return created ?? open();
    };
    return this.#with(chunk, find, work);
  }

  /** The same for a copy: it may come after the chunk was deleted here, and what is here of it and can't be read makes way. */
  async useForCopy<T>(chunk: string, capacityBytes: number, work: (file: ChunkFile) => Promise<T>): Promise<T> {
    await this.use(chunk, async () => {}).catch(async (error) => {
      if (error instanceof ChunkError && error.code === 'BadChecksum') await this.delete(chunk);
    });
    this.#deleted.delete(chunk);
    return this.useOrCreate(chunk, capacityBytes, false, work);
  }

  async delete(chunk: string): Promise<void> {
    const entry = this.#entries.get(chunk);
    if (entry) this.#letGo(chunk, entry);
    this.#deleted.add(chunk);
    if (this.#deleted.size > DELETED_MAX) this.#deleted.delete(this.#deleted.values().next().value!);
    try {
      await unlink(this.#file(chunk));
      if (this.#files !== undefined) this.#files--;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw diskError(error, `delete chunk ${chunk}`);
    }
  }

  async list(after: string, limit: number): Promise<{ chunks: string[]; more: boolean }> {
    const later = (await readdir(this.#path)).filter((name) => name > after).sort();
    return { chunks: later.slice(0, limit), more: later.length > limit };
  }

  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    const { bavail, blocks, bsize } = await statfs(this.#path);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  }

  /** Waits for nobody: to be called when no more requests come. */
  async close(): Promise<void> {
    const open = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.all(open.map((entry) => closeQuietly(entry.file)));
    this.#directory.close();
  }

  async #with<T>(chunk: string, open: () => Promise<ChunkFile>, work: (file: ChunkFile) => Promise<T>): Promise<T> {
    let entry = this.#entries.get(chunk);
    if (entry) {
      this.#entries.delete(chunk);
    } else {
      const closing = this.#closing.get(chunk);
      entry = { file: closing ? closing.then(open) : open(), users: 0, leaving: false };
    }
    this.#entries.set(chunk, entry);
    entry.users++;
    try {
      return await work(await entry.file);
    } catch (error) {
      if (await isRejected(entry.file)) this.#letGo(chunk, entry);
      throw error;
    } finally {
      entry.users--;
      if (entry.users === 0 && entry.leaving) void closeQuietly(entry.file);
      this.#putAwayOldest();
    }
  }

  #putAwayOldest(): void {
    if (this.#entries.size <= OPEN_MAX) return;
    for (const [chunk, entry] of this.#entries) {
      if (entry.users > 0) continue;
      this.#entries.delete(chunk);
      const closed = closeQuietly(entry.file).finally(() => this.#closing.delete(chunk));
      this.#closing.set(chunk, closed);
      return;
    }
  }

  #letGo(chunk: string, entry: Entry): void {
    if (this.#entries.get(chunk) === entry) this.#entries.delete(chunk);
    entry.leaving = true;
    if (entry.users === 0) void closeQuietly(entry.file);
  }

  async #countFiles(): Promise<void> {
    this.#files = (await readdir(this.#path).catch(() => undefined))?.length;
  }

  #file(chunk: string): string {
    return join(this.#path, chunk);
  }

  readonly #syncDirectory = (): Promise<void> => this.#directory.sync();
}

async function isRejected(file: Promise<ChunkFile>): Promise<boolean> {
  return file.then(
    () => false,
    () => true,
  );
}

async function closeQuietly(file: Promise<ChunkFile>): Promise<void> {
  await file.then((open) => open.close()).catch(() => {});
}
