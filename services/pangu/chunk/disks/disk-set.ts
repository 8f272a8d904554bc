import type { Clock } from '../../../base/clock.ts';
import { systemClock } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { type Random, systemRandom } from '../../../base/random.ts';
import { ChunkError } from '../../chunk-contract.ts';
import { drawDisk } from '../../core/disk-lottery.ts';
import { type MeasuredDisk, type ServerSpace, sumUp } from '../../core/disk-space.ts';
import { type DiskCalls, nodeDisk } from '../disk.ts';
import { ChunkDisk } from './chunk-disk.ts';
import { type DisksOf, type FoundDisk, findDisks } from './find-disks.ts';
import { readIdentity } from './identity.ts';
import { settleMoves } from './settle-moves.ts';

/** Chunks whose disk is remembered: 65536 of them take about 8 MiB. */
const REMEMBERED_MAX = 65_536;

export interface DiskSetOptions extends DisksOf {
  log: Logger;
  calls?: DiskCalls;
  clock?: Clock;
  random?: Random;
}

/**
 * The disks of one chunk server.
 *
 * Which disk has a chunk is written down nowhere but in the disks' own directories, so it cannot be wrong. It is looked up when the chunk is first
 * asked for: one lookup of a name on each disk, side by side (some tens of microseconds; none where there is one disk), and remembered for the chunks used last.
 * So nothing is read at start, however many chunks there are, and a disk may be moved by hand while the server is off.
 */
export class DiskSet {
  readonly #options: DiskSetOptions;
  readonly #calls: DiskCalls;
  readonly #clock: Clock;
  readonly #random: Random;
  #disks: ChunkDisk[] = [];
  /** Known, but not usable. */
  #absent: FoundDisk[] = [];
  /** In order of last use. */
  readonly #where = new Map<string, ChunkDisk>();
  readonly #listeners: ((disk: ChunkDisk) => void)[] = [];

  private constructor(options: DiskSetOptions) {
    this.#options = options;
    this.#calls = options.calls ?? nodeDisk;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
  }

  static async open(options: DiskSetOptions): Promise<DiskSet> {
    const set = new DiskSet(options);
    for (const found of await findDisks(options)) await set.#take(found);
    await settleMoves(set.#disks, options.log);
    return set;
  }

  /** Those that are used, failed ones among them. */
  get all(): readonly ChunkDisk[] {
    return this.#disks;
  }

  get usable(): ChunkDisk[] {
    return this.#disks.filter(({ failed }) => !failed);
  }

  /** Chunks of this server may lie where it cannot look. */
  get isIncomplete(): boolean {
    return this.isMissingSome || this.#disks.some(({ failed }) => failed);
  }

  get isMissingSome(): boolean {
    return this.#absent.some(({ state }) => state === 'missing');
  }

  onFailed(listener: (disk: ChunkDisk) => void): void {
    this.#listeners.push(listener);
  }

  /** All that are known, as they were measured last. */
  get measured(): MeasuredDisk[] {
    const absent = this.#absent.map((disk) => ({ ...disk, freeBytes: 0, totalBytes: 0, device: '', busy: 0 }));
    return [...this.#disks.map(({ space }) => space), ...absent];
  }

  get space(): ServerSpace {
    return sumUp(this.measured);
  }

  async measure(): Promise<void> {
    await Promise.all(this.#disks.map((disk) => disk.measure()));
  }

  /** Looks at each disk whether it still is what it was, and for those that were missing. */
  async look(): Promise<void> {
    await Promise.all(this.#disks.map((disk) => disk.look()));
    for (const found of this.#absent.filter(({ state }) => state === 'missing')) {
      const identity = await readIdentity(found.path).catch(() => undefined);
      if (identity?.id !== found.id || identity.node !== this.#options.node) continue;
      this.#absent = this.#absent.filter((other) => other !== found);
      await this.#take({ id: found.id, path: found.path, state: 'healthy' });
      this.#options.log.info({ disk: found.id, path: found.path }, 'disk.back');
    }
  }

  /** For a new chunk. Errors: DiskFailed (there is none that takes any). */
  choose(chunkBytes: number): ChunkDisk {
    const takers = this.#disks.filter(({ takes }) => takes);
    const disk = takers.length === 1 ? takers[0] : drawDisk(takers, chunkBytes, this.#random);
    if (!disk) throw new ChunkError('DiskFailed', `no disk of ${this.#options.node} takes chunks`);
    return disk;
  }

  /** The disks that have a file of this chunk; most of the time one. Errors: DiskFailed (it is, or may be, on a disk that is out). */
  async find(chunk: string): Promise<ChunkDisk[]> {
    const known = this.#where.get(chunk);
    if (known) {
      if (known.failed) throw known.failure();
      return [known];
    }
    const { usable } = this;
    if (usable.length === 1 && !this.isIncomplete) return usable;
    const has = await Promise.all(usable.map((disk) => disk.has(chunk)));
    const holders = usable.filter((_, i) => has[i]);
    if (holders.length === 0 && this.isIncomplete)
      throw new ChunkError('DiskFailed', `chunk ${chunk} is on none of the disks that work, and not all do`);
    return holders;
  }

  remember(chunk: string, disk: ChunkDisk): void {
    if (this.#disks.length < 2) return;
    this.#where.delete(chunk);
    this.#where.set(chunk, disk);
    if (this.#where.size > REMEMBERED_MAX) this.#where.delete(this.#where.keys().next().value!);
  }

  isKnown(chunk: string): boolean {
    return this.#where.has(chunk);
  }

  forget(chunk: string): void {
    this.#where.delete(chunk);
  }

  close(): void {
    for (const disk of this.#disks) disk.close();
  }

  async #take(found: FoundDisk): Promise<void> {
    const { log } = this.#options;
    const { id, path, state, reason } = found;
    if (state === 'missing' || state === 'refused') {
      log.error({ disk: id, path, state, reason }, 'disk.unusable');
      this.#absent.push(found);
      return;
    }
    const onFailed = (disk: ChunkDisk): void => {
      log.error({ disk: id, path, reason: disk.space.reason }, 'disk.failed');
      for (const listener of this.#listeners) listener(disk);
    };
    try {
      const options = { id, path, retiring: state === 'retiring', calls: this.#calls, clock: this.#clock, onFailed };
      const disk = await ChunkDisk.open(options);
      await disk.look();
      this.#disks.push(disk);
    } catch (error) {
      log.error({ disk: id, path, error: messageOf(error) }, 'disk.unusable');
      this.#absent.push({ ...found, state: 'missing', reason: messageOf(error) });
    }
  }
}
