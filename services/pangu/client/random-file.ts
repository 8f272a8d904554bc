import { hasCode, messageOf } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import { type FileStat, PanguError, type PanguFile, REPLICAS_DEFAULT, type ReadOptions, type WriteOptions } from '../contract.ts';
import { cutAtIndexes } from '../core/random-ranges.ts';
import { RANDOM_TRANSFER_BYTES_MAX } from '../random-chunk-contract.ts';
import type { RandomOpened, RandomPlace } from '../random-contract.ts';
import type { ClientContext } from './context.ts';
import { checkChunkBytes } from './file-writer.ts';
import { RandomChunkWriter, type RandomOwner } from './random-chunk.ts';
import { HeldRanges } from './random-ranges.ts';
import { checkRange, RandomReader } from './random-reader.ts';

type Options = WriteOptions & ReadOptions;

const PATIENCE_MS_DEFAULT = 8_000;
/** Pieces of one write on their way at once. */
const PARALLEL_MAX = 8;
/** A master hears so often that the file has become longer: readers see it then. `sync`, `flush` and `close` tell it at once. */
const TELL_SIZE_MS = 500;
/** Chunks with too few replicas get more: how often that is looked at, and when some have. */
const LOOK_MS = 5_000;
const MEND_MS = 2_000;
/** A chunk of 1 GiB, from a busy disk to another. */
const MEND_TIMEOUT_MS = 150_000;
const ALLOCATE_TRIES = 6;
const ALLOCATE_PAUSE_MS = 1_000;
const END = Number.POSITIVE_INFINITY;

/**
 * A `random` file that its one writer has open. Writes to the same bytes are done in the order in which they were asked for, others at once (random-ranges.ts);
 * each chunk sees to its own replicas (random-chunk.ts). The size is known here, and told to a master now and then; should this process end before, the servers know
 * where the last byte ends.
 */
export class RandomFile implements PanguFile, RandomOwner {
  readonly context: ClientContext;
  readonly path: string;
  readonly file: string;
  readonly durable: boolean;
  readonly minReplicas: number;
  readonly patienceMs: number;
  readonly #isNew: boolean;
  readonly #chunkBytes: number;
  readonly #preferNode: string | undefined;
  readonly #ranges = new HeldRanges();
  readonly #chunks = new Map<number, RandomChunkWriter>();
  readonly #reader: RandomReader;
  #epoch: number;
  #size: number;
  /** Where the next `write` begins, when those before it have not come to their end. */
  #appendAt = 0;
  #toldSize: number;
  #telling: Promise<unknown> = Promise.resolve();
  /** Chunks that leave a server which did not answer. */
  readonly #suspecting = new Set<Promise<void>>();
  #tellTimer: NodeJS.Timeout | undefined;
  #mendTimer: NodeJS.Timeout | undefined;
  #mendAtMs = 0;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #failure: unknown;
  /** A write failed. */
  #torn = false;
  #closing: Promise<FileStat> | undefined;

  private constructor(context: ClientContext, path: string, opened: RandomOpened, options: Options, isNew: boolean) {
    const { sync = true, preferNode = context.node, patienceMs = PATIENCE_MS_DEFAULT } = options;
    this.context = context;
    this.path = path;
    this.file = opened.file;
    this.durable = sync;
    this.minReplicas = opened.minReplicas;
    this.patienceMs = patienceMs;
    this.#isNew = isNew;
    this.#chunkBytes = opened.chunkBytes;
    this.#preferNode = preferNode;
    this.#epoch = opened.epoch;
    this.#size = opened.size;
    this.#toldSize = opened.size;
    const stat = { path, type: 'file', kind: 'random', state: 'open', size: opened.size, chunkBytes: opened.chunkBytes } as FileStat;
    this.#reader = new RandomReader(context, opened.file, stat, { patienceMs });
    this.#mendIn(isNew ? LOOK_MS : MEND_MS);
  }

  static async create(context: ClientContext, path: string, mode: 'w' | 'wx', options: Options = {}): Promise<RandomFile> {
    const { chunkBytes, replicas = REPLICAS_DEFAULT, minReplicas = 1, parents = false } = options;
    if (chunkBytes !== undefined) checkChunkBytes(chunkBytes);
    if (!Number.isInteger(replicas) || replicas < 1) throw new PanguError('EINVAL', `replicas is ${replicas}`);
    if (!Number.isInteger(minReplicas) || minReplicas < 1 || minReplicas > replicas)
      throw new PanguError('EINVAL', `minReplicas is ${minReplicas}, replicas ${replicas}`);
    const writer = await context.presence.writer();
    const file = newId('f');
    const opened = await context.masters.randomCreate({ file, path, mode, chunkBytes, replicas, minReplicas, parents, writer });
    return new RandomFile(context, path, opened, options, true);
  }

  /** One that is there: EBUSY while another writer has it open. */
  static async open(context: ClientContext, path: string, options: Options = {}): Promise<RandomFile> {
    const writer = await context.presence.writer();
    return new RandomFile(context, path, await context.masters.randomOpen({ requestId: newId(), path, writer }), options, false);
  }

  get length(): number {
    return this.#size;
  }

  async read(position: number, length: number): Promise<Buffer> {
    this.#checkOpen();
    checkRange(position, length);
    await this.#ranges.settled(position, position + length);
    return this.#reader.readUpTo(position, length, this.#size);
  }

  /** At the end. */
  write(bytes: Uint8Array): Promise<void> {
    const position = Math.max(this.#size, this.#appendAt);
    this.#appendAt = position + bytes.length;
    return this.pwrite(position, bytes);
  }

  async pwrite(position: number, bytes: Uint8Array): Promise<void> {
    this.#checkOpen();
    checkRange(position, bytes.length);
    if (bytes.length === 0) return;
    const end = position + bytes.length;
    if (!Number.isSafeInteger(end) || end > this.#chunkBytes * 2 ** 31) throw new PanguError('EINVAL', `no file is ${end} bytes long`);
    await this.#ranges.hold(position, end, async () => {
      if (this.#failure) throw this.#failure;
      const pieces = cutAtIndexes(position, bytes.length, this.#chunkBytes, RANDOM_TRANSFER_BYTES_MAX);
      let next = 0;
      const worker = async (): Promise<void> => {
        while (next < pieces.length) {
          const { index, offset, length, start } = pieces[next++]!;
          await this.#chunk(index).write(offset, length === bytes.length ? bytes : bytes.subarray(start, start + length));
        }
      };
      await this.#whole(() =>
        pieces.length === 1 ? worker() : allOrFirstError(Array.from({ length: Math.min(PARALLEL_MAX, pieces.length) }, worker)),
      );
      this.#grownTo(end);
    });
  }

  /** All that came before is done first, and what comes after waits: chunks go, and what a master is told carries another epoch from then on. */
  async truncate(length: number): Promise<void> {
    this.#checkOpen();
    checkRange(length, 0);
    await this.#ranges.hold(0, END, async () => {
      if (this.#failure) throw this.#failure;
      await Promise.all(this.#suspecting);
      const { masters } = this.context;
      const before = this.#size;
      if (length >= before) {
        this.#size = length;
        await this.#tellSize(false);
        return;
      }
      const cutting = await this.#inTurn(async () => {
        const cut = await masters.randomTruncate({ requestId: newId(), file: this.file, epoch: this.#epoch, length });
        this.#epoch = cut.epoch;
        this.#size = length;
        this.#toldSize = length;
        this.#appendAt = length;
        return cut.cutting;
      });
      for (const index of this.#chunks.keys()) if (index * this.#chunkBytes >= length) this.#chunks.delete(index);
      this.#reader.forget();
      if (!cutting) return;
      const index = Math.floor(length / this.#chunkBytes);
      await this.#whole(() => this.#chunk(index).cut(length % this.#chunkBytes));
      await this.#orFail(masters.randomCutDone({ file: this.file, epoch: this.#epoch, length }));
    });
  }

  async flush(): Promise<void> {
    this.#checkOpen();
    await this.#ranges.settled(0, END);
    await this.#tellSize(false);
  }

  async sync(): Promise<void> {
    this.#checkOpen();
    await this.#ranges.settled(0, END);
    await this.#syncChunks();
    await this.#tellSize(false);
  }

  close(): Promise<FileStat> {
    if (!this.#closing) {
      this.#state = 'closing';
      clearTimeout(this.#tellTimer);
      clearTimeout(this.#mendTimer);
      this.#closing = this.#close();
      this.#closing.catch(() => {});
    }
    return this.#closing;
  }

  /** One that was opened again stays, with what was written. */
  async abort(): Promise<void> {
    if (this.#state !== 'open') return;
    if (!this.#isNew) {
      await this.close().catch((error) => {
        if (!hasCode(error, 'ESTALE', 'ENOENT')) throw error;
      });
      return;
    }
    this.#state = 'closed';
    this.failed(new PanguError('EBADF', `${this.path} was given up`));
    clearTimeout(this.#tellTimer);
    clearTimeout(this.#mendTimer);
    await this.context.masters.abandon({ file: this.file });
  }

  async #close(): Promise<FileStat> {
    return this.#ranges.hold(0, END, async () => {
      await Promise.all(this.#suspecting);
      if (this.#torn) await this.context.masters.release({ file: this.file, epoch: this.#epoch });
      if (this.#failure) throw this.#failure;
      await this.#syncChunks();
      const stat = await this.#tellSize(true);
      this.#state = 'closed';
      return { path: this.path, ...stat };
    });
  }

  // For chunks.

  epoch(): number {
    return this.#epoch;
  }

  async allocate(index: number): Promise<RandomPlace> {
    const { context, file } = this;
    for (let attempt = 1; ; attempt++) {
      try {
        const end = Math.max(this.#size, index * this.#chunkBytes);
        const request = { file, epoch: this.#epoch, index, preferNode: this.#preferNode, end };
        const place = await context.masters.randomAllocate(request);
        if (place.replicas.length < place.wanted) this.#mendSoon();
        return place;
      } catch (error) {
        if (hasCode(error, 'ESTALE', 'ENOENT')) this.failed(error);
        if (!hasCode(error, 'EIO') || attempt === ALLOCATE_TRIES || this.#failure) throw error;
        await context.clock.sleep(ALLOCATE_PAUSE_MS);
      }
    }
  }

  moved(index: number): void {
    this.#reader.forget(index);
    this.#mendSoon();
  }

  suspect(node: string): void {
    for (const chunk of this.#chunks.values()) {
      const done = chunk
        .suspect(node)
        .catch((error) => this.context.log.warn({ file: this.file, node, error: messageOf(error) }, 'random.not-left'))
        .finally(() => this.#suspecting.delete(done));
      this.#suspecting.add(done);
    }
  }

  failed(error: unknown): void {
    this.#failure ??= error;
    clearTimeout(this.#tellTimer);
    clearTimeout(this.#mendTimer);
  }

  /**
   * A write that failed may be on some replicas: nobody is told that it is there, and nobody may see it come and go. So nothing is written after it, and the
   * file is closed as for a writer that is gone, which makes its replicas equal. A write that was taken nowhere does no harm.
   */
  async #whole(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (!hasCode(error, 'ENOSPC', 'EDQUOT')) {
        this.#torn = true;
        this.failed(error);
      }
      throw error;
    }
  }

  #chunk(index: number): RandomChunkWriter {
    const there = this.#chunks.get(index);
    if (there) return there;
    const chunk = new RandomChunkWriter(this, index);
    this.#chunks.set(index, chunk);
    return chunk;
  }

  async #syncChunks(): Promise<void> {
    if (this.#failure) throw this.#failure;
    await Promise.all([...this.#chunks.values()].filter(({ isUnsynced }) => isUnsynced).map((chunk) => chunk.sync()));
  }

  #grownTo(end: number): void {
    if (end <= this.#size) return;
    this.#size = end;
    this.#tellTimer ??= setTimeout(() => {
      this.#tellTimer = undefined;
      if (this.#state === 'open') this.#tellSize(false).catch(() => {}); // whoever syncs or closes hears of it
    }, TELL_SIZE_MS).unref();
  }

  #tellSize(close: boolean): Promise<Omit<FileStat, 'path'>> {
    return this.#inTurn(async () => {
      const size = this.#size;
      if (!close && size === this.#toldSize) return undefined as never; // only who closes looks at it
      const stat = await this.context.masters.randomCommit({ file: this.file, epoch: this.#epoch, size, close });
      this.#toldSize = size;
      return stat;
    });
  }

  /** What a master is told of the file's size, one after the other, each with the epoch that the one before it has left. */
  #inTurn<T>(tell: () => Promise<T>): Promise<T> {
    const told = this.#telling.then(async () => {
      if (this.#failure) throw this.#failure;
      return this.#orFail(tell());
    });
    this.#telling = told.catch(() => {});
    return told;
  }

  #mendSoon(): void {
    if (this.#mendAtMs > performance.now() + MEND_MS) this.#mendIn(MEND_MS);
  }

  #mendIn(ms: number): void {
    clearTimeout(this.#mendTimer);
    this.#mendAtMs = performance.now() + ms;
    this.#mendTimer = setTimeout(async () => {
      // One round at a time.
      this.#mendAtMs = 0;
      const more = await this.#mendChunks().catch((error) => {
        this.context.log.warn({ file: this.file, error: messageOf(error) }, 'random.not-mended');
        return true;
      });
      if (this.#state === 'open' && !this.#failure) this.#mendIn(more ? MEND_MS : LOOK_MS);
    }, ms).unref();
  }

  /** Also of chunks that this writer has not touched: while the file is open nobody else does it. @returns whether there may be more to do. */
  async #mendChunks(): Promise<boolean> {
    const { indexes } = await this.context.masters.randomShort({ file: this.file });
    for (const index of indexes) {
      if (this.#state !== 'open' || this.#failure) return false;
      await this.#mendChunk(index, this.#chunk(index));
    }
    return indexes.length > 0;
  }

  /** While the rest of it is fetched nobody writes to the chunk. */
  async #mendChunk(index: number, chunk: RandomChunkWriter): Promise<void> {
    const { masters } = this.context;
    const { chunk: id, version } = await chunk.place();
    const asked = { file: this.file, chunk: id };
    const { target } = await masters.randomMend({ ...asked, epoch: this.#epoch, version }, { timeoutMs: MEND_TIMEOUT_MS });
    if (target === undefined) return;
    await this.#ranges.hold(index * this.#chunkBytes, (index + 1) * this.#chunkBytes, async () => {
      const now = await chunk.place();
      const mended = await masters.randomMend(
        { ...asked, epoch: this.#epoch, version: now.version, target },
        { timeoutMs: MEND_TIMEOUT_MS },
      );
      if (mended.place) chunk.moveTo(mended.place);
    });
  }

  async #orFail<T>(asked: Promise<T>): Promise<T> {
    try {
      return await asked;
    } catch (error) {
      if (hasCode(error, 'ESTALE', 'ENOENT', 'EBADF')) this.failed(error);
      throw error;
    }
  }

  #checkOpen(): void {
    if (this.#failure) throw this.#failure;
    if (this.#state !== 'open') throw new PanguError('EBADF', `${this.path} is closed`);
  }
}

/** Waits for all, since what is on its way must not outlive the range that is held for it. */
async function allOrFirstError(work: Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}
