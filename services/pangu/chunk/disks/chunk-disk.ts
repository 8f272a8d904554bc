import { constants } from 'node:fs';
import { access, mkdir, readdir, rm, stat, statfs, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import { ChunkError } from '../../chunk-contract.ts';
import { faultOf, ReadFaults } from '../../core/disk-faults.ts';
import type { MeasuredDisk } from '../../core/disk-space.ts';
import { DirectorySync } from '../directory-sync.ts';
import { type DiskCalls, diskError } from '../disk.ts';
import { readIdentity } from './identity.ts';

/** Written, synced and left, to see whether the disk takes anything. */
const PROBE_FILE = 'probe';
/** A disk that has not answered a look by then is as good as gone; a busy one takes seconds. */
const LOOK_MS_MAX = 60_000;
/** In which any other disk answers, if there is a thread to ask it. */
const OTHERS_MS_MAX = 5_000;

/** Errors whose disk is known. */
const HEARD = new WeakSet<ChunkError>();

export interface ChunkDiskOptions {
  id: string;
  path: string;
  retiring: boolean;
  calls: DiskCalls;
  clock: Clock;
  /** Called once, when the disk is out. */
  onFailed(disk: ChunkDisk): void;
}

/**
 * One disk of a chunk server: `<path>/chunks/<chunk>`, and `<path>/moving/` for chunks that come from another disk. All chunks are in one directory, so that
 * one sync of it serves all that were made meanwhile; file systems of today look up a name among millions as quickly as among few.
 *
 * Once it failed nothing is asked of it any more, and whoever has one of its chunks open is told `DiskFailed`.
 */
export class ChunkDisk {
  readonly id: string;
  readonly path: string;
  readonly calls: DiskCalls;
  /** Operations under way. */
  busy = 0;
  /** Chunk files; undefined until they have been counted, which nobody waits for. */
  files: number | undefined;
  /** Errors it returned. */
  errors = 0;
  readonly retiring: boolean;
  readonly #directory: DirectorySync;
  readonly #clock: Clock;
  readonly #onFailed: (disk: ChunkDisk) => void;
  readonly #readFaults = new ReadFaults();
  #failure: string | undefined;
  #looking: Promise<void> | undefined;
  #measured = { freeBytes: 0, totalBytes: 0, device: '' };

  private constructor(options: ChunkDiskOptions) {
    this.id = options.id;
    this.path = options.path;
    this.retiring = options.retiring;
    this.calls = options.calls;
    this.#clock = options.clock;
    this.#onFailed = options.onFailed;
    this.#directory = new DirectorySync(join(options.path, 'chunks'), options.calls);
  }

  static async open(options: ChunkDiskOptions): Promise<ChunkDisk> {
    const disk = new ChunkDisk(options);
    for (const name of ['chunks', 'moving']) await mkdir(join(options.path, name), { recursive: true });
    const made = new DirectorySync(options.path, options.calls);
    await made.sync().finally(() => made.close());
    await disk.measure();
    void disk.#countFiles();
    return disk;
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Takes new chunks. */
  get takes(): boolean {
    return !this.failed && !this.retiring;
  }

  get space(): MeasuredDisk {
    const { id, path, busy } = this;
    const state = this.failed ? 'failed' : this.retiring ? 'retiring' : 'healthy';
    return { id, path, state, busy, ...this.#measured, ...(this.#failure === undefined ? {} : { reason: this.#failure, freeBytes: 0 }) };
  }

  get freeBytes(): number {
    return this.#measured.freeBytes;
  }

  pathOf(chunk: string): string {
    return join(this.path, 'chunks', chunk);
  }

  pathAside(chunk: string): string {
    return join(this.path, 'moving', chunk);
  }

  readonly syncDirectory = (): Promise<void> => this.#directory.sync();

  failure(): ChunkError {
    return new ChunkError('DiskFailed', `disk ${this.path} is out: ${this.#failure}`);
  }

  /** Whether the chunk's file is here. Errors: DiskFailed. */
  async has(chunk: string): Promise<boolean> {
    if (this.failed) return false;
    try {
      await access(this.pathOf(chunk));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw this.heard(diskError(error, `look for chunk ${chunk}`));
    }
  }

  /** Names of the chunk files, in no order. Errors: DiskFailed. */
  async names(): Promise<string[]> {
    try {
      return await readdir(join(this.path, 'chunks'));
    } catch (error) {
      throw this.heard(diskError(error, `list ${this.path}`));
    }
  }

  /** @returns whether it was here. Errors: DiskFailed. */
  async remove(chunk: string): Promise<boolean> {
    try {
      await unlink(this.pathOf(chunk));
      if (this.files !== undefined) this.files--;
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw this.heard(diskError(error, `delete chunk ${chunk}`));
    }
  }

  /** To be told every error that an operation on this disk ended with. One that another disk has been told of is that one's. @returns the error */
  heard<E>(error: E): E {
    if (!(error instanceof ChunkError) || HEARD.has(error)) return error;
    HEARD.add(error);
    const { cause } = error;
    if (cause === undefined || this.failed) return error;
    const fault = faultOf(cause as NodeJS.ErrnoException);
    if (fault !== 'none' && fault !== 'full') this.errors++;
    if (fault === 'fail' || (fault === 'read' && this.#readFaults.add(this.#clock.monotonicMs()))) this.fail(messageOf(error));
    else if (fault === 'read' || fault === 'look') void this.look();
    return error;
  }

  /** Is it still the disk that it was, and does it take what is written? If not it is out. */
  look(): Promise<void> {
    if (this.failed) return Promise.resolve();
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  fail(reason: string): void {
    if (this.failed) return;
    this.#failure = reason; // its descriptors stay open until those who use them are done
    this.#onFailed(this);
  }

  async measure(): Promise<void> {
    if (this.failed) return;
    try {
      const [{ bavail, blocks, bsize }, { dev }] = await Promise.all([statfs(this.path), stat(this.path)]);
      this.#measured = { freeBytes: bavail * bsize, totalBytes: blocks * bsize, device: String(dev) };
    } catch (error) {
      this.heard(diskError(error, `measure ${this.path}`));
    }
  }

  close(): void {
    this.#directory.close();
  }

  async #look(): Promise<void> {
    const answered = new AbortController();
    const late = this.#clock.sleep(LOOK_MS_MAX, answered.signal, { ref: false }).then(
      () => this.#whyLate(),
      () => undefined,
    );
    const problem = await Promise.race([this.#problem(), late]);
    answered.abort();
    if (problem !== undefined) this.fail(problem);
  }

  /** All file operations of the process share a few threads: when none of them gets a turn, that is not this disk's fault alone. */
  async #whyLate(): Promise<string | undefined> {
    const elsewhere = stat('/').then(() => `it has not answered for ${LOOK_MS_MAX / 1000} s, and others do`);
    const nobody = this.#clock.sleep(OTHERS_MS_MAX, undefined, { ref: false }).then(() => undefined);
    return Promise.race([elsewhere, nobody]);
  }

  async #problem(): Promise<string | undefined> {
    const identity = await readIdentity(this.path).catch(messageOf);
    if (typeof identity === 'string') return `its identity cannot be read: ${identity}`;
    if (identity?.id !== this.id) return identity ? `another disk is there: ${identity.id}` : 'it is not there any more';
    try {
      const fd = await this.calls.openFile(join(this.path, PROBE_FILE), constants.O_RDWR | constants.O_CREAT);
      try {
        await this.calls.pwrite(fd, [Buffer.from(`${this.#clock.nowMs()}\n`)], 0);
        await this.calls.fdatasync(fd);
      } finally {
        this.calls.closeFile(fd);
      }
    } catch (error) {
      // A full disk is a good one.
      if (!(error instanceof ChunkError) || error.code !== 'NoSpace') return messageOf(error);
    }
    return undefined;
  }

  async #countFiles(): Promise<void> {
    this.files = (await this.names().catch(() => undefined))?.length;
  }
}

/** As `remove`, where it is no matter if it stays. */
export async function removeQuietly(disk: ChunkDisk, chunk: string): Promise<void> {
  await disk.remove(chunk).catch(() => {});
}

/** What an interrupted move left aside. */
export async function removeAside(disk: ChunkDisk, chunk: string): Promise<void> {
  await rm(disk.pathAside(chunk), { force: true });
}
