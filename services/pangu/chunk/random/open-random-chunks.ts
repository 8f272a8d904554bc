import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ChunkError } from '../../chunk-contract.ts';
import { diskError } from '../disk.ts';
import { RandomChunk } from './random-chunk.ts';

/** Chunks kept open that nothing is under way for: each has a descriptor and, for 64 MiB, 64 KiB of sums. */
const OPEN_MAX = 256;

/** The chunks of a directory that are open: those in use, those of which something is in memory alone, and the ones used last. */
export class OpenRandomChunks {
  readonly #path: string;
  /** In order of last use. */
  readonly #opening = new Map<string, Promise<RandomChunk>>();
  /** What `#opening` promises, once it is there. */
  readonly #open = new Map<string, RandomChunk>();
  /** While the journal is replayed: the checkpoint that the first record of a chunk comes after. */
  readonly #bases = new Map<string, number>();

  constructor(path: string) {
    this.#path = path;
  }

  isOpen(chunk: string): boolean {
    return this.#open.has(chunk);
  }

  ids(): Iterable<string> {
    return this.#open.keys();
  }

  all(): Iterable<RandomChunk> {
    return this.#open.values();
  }

  /** Errors: NoChunk, BadChecksum, DiskFailed, and those of `work`. */
  async use<T>(chunk: string, work: (file: RandomChunk) => Promise<T>): Promise<T> {
    const file = this.#open.get(chunk) ?? (await this.load(chunk));
    file.users++;
    try {
      if (file.deleted) throw new ChunkError('NoChunk', `chunk ${chunk} was deleted`);
      return await work(file);
    } finally {
      this.leave(file);
    }
  }

  leave(file: RandomChunk): void {
    file.users--;
    if (file.users === 0 && file.deleted) file.close();
    if (this.#open.size > OPEN_MAX) this.#putAwayOldest();
  }

  /** `base`: of a record of the journal. */
  async load(chunk: string, base?: number): Promise<RandomChunk> {
    if (base !== undefined && !this.#bases.has(chunk)) this.#bases.set(chunk, base);
    const known = this.#opening.get(chunk);
    if (known) {
      this.#opening.delete(chunk);
      this.#opening.set(chunk, known);
      return known;
    }
    const opening = RandomChunk.open(this.#file(chunk), chunk, this.#bases.get(chunk));
    this.#opening.set(chunk, opening);
    try {
      const file = await opening;
      // Deleted, or made, while it was opened.
      if (this.#opening.get(chunk) === opening) this.#open.set(chunk, file);
      else file.deleted = true;
      return file;
    } catch (error) {
      if (this.#opening.get(chunk) === opening) this.#opening.delete(chunk);
      throw error;
    }
  }

  make(chunk: string, capacityBytes: number, version: number): RandomChunk {
    const file = RandomChunk.make(this.#file(chunk), chunk, capacityBytes, version);
    this.#opening.set(chunk, Promise.resolve(file));
    this.#open.set(chunk, file);
    return file;
  }

  forget(file: RandomChunk): void {
    file.deleted = true;
    this.#opening.delete(file.id);
    this.#open.delete(file.id);
    if (file.users === 0) file.close();
  }

  async unlink(chunk: string): Promise<void> {
    await unlink(this.#file(chunk)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw diskError(error, `delete chunk ${chunk}`);
    });
  }

  replayed(): void {
    this.#bases.clear();
  }

  #putAwayOldest(): void {
    for (const id of this.#opening.keys()) {
      const file = this.#open.get(id);
      if (!file || file.users > 0 || !file.isClean) continue;
      this.#opening.delete(id);
      this.#open.delete(id);
      file.close();
      return;
    }
  }

  #file(chunk: string): string {
    return join(this.#path, chunk);
  }
}
