import { hasCode } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import { TRANSFER_BYTES_MAX } from '../chunk-contract.ts';
import { BLOCK_BYTES, type FileStat, PanguError, type PanguFile, REPLICAS_DEFAULT, type WriteOptions } from '../contract.ts';
import type { Allocation, WrittenChunk } from '../master-contract.ts';
import type { Opened } from '../write-contract.ts';
import { giveBuffer, takeBuffer } from './buffers.ts';
import { ChunkRun, type RunOwner, type WritePiece } from './chunk-run.ts';
import type { ClientContext } from './context.ts';

/** Bytes on their way at once: enough for a chain of three to be busy in all its links and for the next chunk to begin while one is synced. */
const WINDOW_BYTES = 8 * TRANSFER_BYTES_MAX;
const ALLOCATE_TRIES = 6;
const ALLOCATE_PAUSE_MS = 1_000;
/** Between finding that no file is there and making one, others may make and remove one. */
const APPEND_TRIES = 5;

/**
 * A file being written. Bytes are gathered into pieces, pieces go to runs (one for each chunk-sized range of the file, see
 * chunk-run.ts), and the master hears of chunks at `sync` and `close`: until then nobody else needs to.
 */
export class FileWriter implements PanguFile, RunOwner {
  readonly path: string;
  readonly context: ClientContext;
  readonly file: string;
  readonly chunkBytes: number;
  readonly durable: boolean;
  readonly minReplicas: number;
  readonly #preferNode: string | undefined;
  #state: 'open' | 'closing' | 'closed' | 'aborted' = 'open';
  /** Where the file ends, with all that was accepted so far. */
  #position: number;
  #buffer: Buffer | undefined;
  #filled = 0;
  #run: ChunkRun | undefined;
  #runs: ChunkRun[] = [];
  /** Until the current run has had its last piece. */
  #runEnd: number;
  /** The one whose chunk a master was told of last. */
  #toldRun: ChunkRun | undefined;
  #nextIndex: number;
  #nextAllocation: Promise<Allocation> | undefined;
  #unacknowledgedBytes = 0;
  #unacknowledgedPieces = 0;
  #failure: unknown;
  #waiters: (() => void)[] = [];
  #turn: Promise<unknown> = Promise.resolve();
  /** What the master has not been told. */
  #unreported = new Map<string, WrittenChunk>();
  #stat: Promise<FileStat> | undefined;
  /** The writer's lease (master/lease.ts). */
  readonly #epoch: number;
  readonly #token: number | undefined;
  /** It was there before: giving up removes only what is new. */
  readonly #appending: boolean;

  private constructor(
    context: ClientContext,
    path: string,
    opened: Pick<Opened, 'file' | 'epoch' | 'size' | 'chunkBytes' | 'minReplicas' | 'nextIndex'>,
    { sync = true, preferNode = context.node }: WriteOptions,
    appending: boolean,
  ) {
    this.context = context;
    this.path = path;
    this.file = opened.file;
    this.chunkBytes = opened.chunkBytes;
    this.minReplicas = opened.minReplicas;
    this.durable = sync;
    this.#preferNode = preferNode;
    this.#epoch = opened.epoch;
    this.#nextIndex = opened.nextIndex;
    this.#position = opened.size;
    this.#runEnd = opened.size;
    this.#appending = appending;
    this.#token = context.presence.token;
  }

  static async create(context: ClientContext, path: string, mode: 'w' | 'wx', options: WriteOptions = {}): Promise<FileWriter> {
    const { chunkBytes, replicas = REPLICAS_DEFAULT, minReplicas = 1, parents = false, preferNode = context.node } = options;
    if (chunkBytes !== undefined) checkChunkBytes(chunkBytes);
    if (!Number.isInteger(replicas) || replicas < 1) throw new PanguError('EINVAL', `replicas is ${replicas}`);
    if (!Number.isInteger(minReplicas) || minReplicas < 1 || minReplicas > replicas)
      throw new PanguError('EINVAL', `minReplicas is ${minReplicas}, replicas ${replicas}`);
    const file = newId('f');
    const writer = await context.presence.writer();
    const {
      epoch,
      chunkBytes: chunkBytesGiven,
      ...allocation
    } = await patiently(context, () =>
      context.masters.create({ file, path, mode, chunkBytes, replicas, minReplicas, parents, preferNode, writer }),
    );
    const opened = { file, epoch, size: 0, chunkBytes: chunkBytesGiven, minReplicas, nextIndex: 1 };
    const created = new FileWriter(context, path, opened, options, false);
    created.#nextAllocation = Promise.resolve(allocation);
    return created;
  }

  /** At the end of a file that is there; makes one that is not. */
  static async append(context: ClientContext, path: string, options: WriteOptions = {}): Promise<FileWriter> {
    const writer = await context.presence.writer();
    for (let tries = 1; ; tries++) {
      try {
        return new FileWriter(context, path, await context.masters.openForWrite({ requestId: newId(), path, writer }), options, true);
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) throw error;
      }
      try {
        return await FileWriter.create(context, path, 'wx', options);
      } catch (error) {
        // Somebody else was quicker, and it may be gone again by the next look.
        if (!hasCode(error, 'EEXIST') || tries === APPEND_TRIES) throw error;
      }
    }
  }

  async read(): Promise<Buffer> {
    throw new PanguError('EBADF', `${this.path} is open for writing`);
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#checkOpen();
    return this.#inTurn(() => this.#write(bytes));
  }

  async pwrite(): Promise<void> {
    throw new PanguError('EBADF', `${this.path} is not a random file`);
  }

  async truncate(): Promise<void> {
    throw new PanguError('EBADF', `${this.path} is not a random file`);
  }

  /** The first time in a chunk it is a sync, so that a master knows of it, whatever becomes of writer and servers; from then on no master is asked. */
  async flush(): Promise<void> {
    this.#checkOpen();
    return this.#inTurn(async () => {
      this.#checkOpen('closing');
      const known = this.#run !== undefined && this.#run === this.#toldRun && this.#unreported.size === 0 && this.#position < this.#runEnd;
      if (!known) return this.#sync();
      if (this.#filled > 0) this.#dispatch('none');
      await this.#settled();
      // A chunk that broke meanwhile was sealed, and readers must hear where the rest is.
      if (this.#unreported.size > 0) await this.#sync();
    });
  }

  async sync(): Promise<void> {
    this.#checkOpen();
    return this.#inTurn(async () => {
      this.#checkOpen('closing');
      await this.#sync();
    });
  }

  close(): Promise<FileStat> {
    if (this.#state === 'open') {
      this.#state = 'closing';
      this.#stat = this.#inTurn(() => this.#close());
      this.#stat.catch(() => {});
    }
    return this.#stat ?? Promise.reject(new PanguError('EBADF', `${this.path} was given up`));
  }

  async abort(): Promise<void> {
    if (this.#state === 'closed' || this.#state === 'aborted') return;
    this.#state = 'aborted';
    this.failed(new PanguError('EBADF', `${this.path} was given up`));
    if (this.#appending) await this.context.masters.release({ file: this.file, epoch: this.#epoch });
    else await this.context.masters.abandon({ file: this.file });
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#checkOpen('closing');
    for (let at = 0; at < bytes.length; ) {
      // A full piece waits for the byte after it, so that the last one of the file can carry the seal.
      if (this.#filled > 0 && this.#filled === this.#pieceEnd()) {
        this.#dispatch(this.#position === this.#runEnd ? 'seal' : 'none');
        while (this.#unacknowledgedBytes >= WINDOW_BYTES && !this.#failure) await this.#change();
        this.#checkOpen('closing');
      }
      if (!this.#run || this.#position === this.#runEnd) this.#startRun();
      const room = this.#pieceEnd() - this.#filled;
      const taken = Math.min(room, bytes.length - at);
      this.#reserve(this.#filled + taken);
      this.#buffer!.set(at === 0 && taken === bytes.length ? bytes : bytes.subarray(at, at + taken), this.#filled);
      this.#filled += taken;
      this.#position += taken;
      at += taken;
    }
    this.#allocateAhead();
  }

  async #sync(): Promise<void> {
    const run = this.#run;
    if (run) this.#dispatch(this.#position === this.#runEnd ? 'seal' : 'sync');
    await this.#settled();
    await this.#commit(false);
    this.#toldRun = run;
  }

  async #close(): Promise<FileStat> {
    if (this.#run) this.#dispatch('seal');
    await this.#settled();
    await this.#nextAllocation?.catch(() => {}); // asked for ahead and not used: it must be there before the master cleans up
    const stat = await this.#commit(true);
    this.#state = 'closed';
    return { path: this.path, ...stat };
  }

  async #commit(close: boolean) {
    const chunks = [...this.#unreported.values()];
    this.#unreported.clear();
    try {
      return await this.context.masters.commit({ file: this.file, chunks, close, epoch: this.#epoch });
    } catch (error) {
      const failure = this.#told(error);
      this.failed(failure);
      throw failure;
    }
  }

  // For runs.

  async again(index: number): Promise<Allocation> {
    try {
      return await this.context.masters.allocate({ file: this.file, index, exclude: [], epoch: this.#epoch });
    } catch (error) {
      throw this.#told(error);
    }
  }

  async allocate(offset: number, exclude: readonly string[], noSpace: boolean): Promise<Allocation> {
    const index = this.#nextIndex++;
    const { context, file } = this;
    const ask = (avoid: readonly string[]): Promise<Allocation> =>
      context.masters.allocate({
        file,
        index,
        offset,
        preferNode: this.#preferNode,
        exclude: [...new Set(avoid)],
        written: this.#position,
        epoch: this.#epoch,
      });
    const failedLately = context.failures.recent(context.clock.monotonicMs());
    try {
      if (noSpace) return await ask(exclude);
      // Nodes that failed once are better than none.
      return await patiently(
        context,
        (attempt) => ask(attempt === 1 ? [...exclude, ...failedLately] : []),
        () => this.#state === 'aborted',
      );
    } catch (error) {
      if (noSpace && hasCode(error, 'EIO')) throw new PanguError('ENOSPC', 'no chunk server has room', { cause: error });
      throw this.#told(error);
    }
  }

  acknowledged(piece: WritePiece, reusable: boolean): void {
    this.#unacknowledgedBytes -= piece.length;
    this.#unacknowledgedPieces--;
    if (reusable) giveBuffer(piece.bytes);
    this.#wake();
  }

  wrote(chunk: WrittenChunk): void {
    this.#unreported.set(chunk.chunk, chunk);
  }

  failed(error: unknown): void {
    this.#failure ??= error;
    for (const run of this.#runs) run.stop();
    this.#wake();
  }

  // Pieces.

  /** Bytes of the present piece when it is full: up to the next megabyte of its run, or the run's end. */
  #pieceEnd(): number {
    const start = this.#position - this.#filled - (this.#runEnd - this.chunkBytes);
    return Math.min(TRANSFER_BYTES_MAX - (start % TRANSFER_BYTES_MAX), this.chunkBytes - start);
  }

  #reserve(bytes: number): void {
    if (this.#buffer && this.#buffer.length >= bytes) return;
    const larger = takeBuffer(Math.max(bytes, 2 * (this.#buffer?.length ?? 0)));
    if (this.#buffer) larger.set(this.#buffer.subarray(0, this.#filled));
    this.#buffer = larger;
  }

  #dispatch(finish: WritePiece['finish']): void {
    const bytes = this.#buffer?.subarray(0, this.#filled) ?? Buffer.alloc(0);
    const piece: WritePiece = { start: this.#position - this.#filled, length: this.#filled, bytes, finish, acknowledged: false };
    this.#buffer = undefined;
    this.#filled = 0;
    this.#unacknowledgedBytes += piece.length;
    this.#unacknowledgedPieces++;
    this.#run!.append(piece);
    if (finish === 'seal') this.#run = undefined;
  }

  #startRun(): void {
    this.#runEnd = this.#position + this.chunkBytes;
    this.#run = new ChunkRun(this, this.#position, this.#nextAllocation ?? this.allocate(this.#position, [], false));
    this.#nextAllocation = undefined;
    this.#runs = this.#unacknowledgedPieces === 0 ? [this.#run] : [...this.#runs, this.#run];
  }

  /** When as much is left of the present chunk as is on its way: sooner, and more of the chunks asked for would be for files that end before. */
  #allocateAhead(): void {
    const left = this.#runEnd - this.#position;
    if (!this.#run || this.#nextAllocation || left > Math.min(this.chunkBytes / 2, WINDOW_BYTES)) return;
    this.#nextAllocation = this.allocate(this.#runEnd, [], false);
    this.#nextAllocation.catch(() => {}); // heard by the run that needs it
  }

  async #settled(): Promise<void> {
    while (this.#unacknowledgedPieces > 0 && !this.#failure) await this.#change();
    if (this.#failure) throw this.#failure;
  }

  /** `closing` is open for what was asked before `close` was. */
  #checkOpen(also?: 'closing'): void {
    if (this.#failure) throw this.#failure;
    if (this.#state !== 'open' && this.#state !== also) throw new PanguError('EBADF', `${this.path} is closed`);
  }

  /** A file that a master removed because its writer seemed gone is stale to this one, not missing. */
  #told(error: unknown): unknown {
    if (!hasCode(error, 'ENOENT') || this.context.presence.token === this.#token) return error;
    return new PanguError('ESTALE', `${this.path}: this writer was away for too long, and what it had written was removed`, {
      cause: error,
    });
  }

  /** Calls take effect in the order they were made, also when their caller does not wait for one before the next. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#turn.then(work);
    this.#turn = run.catch(() => {});
    return run;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}

/** Errors: EINVAL. */
export function checkChunkBytes(chunkBytes: number): void {
  if (!Number.isInteger(chunkBytes) || chunkBytes < BLOCK_BYTES || chunkBytes % BLOCK_BYTES !== 0)
    throw new PanguError('EINVAL', `chunkBytes is ${chunkBytes}, not a multiple of ${BLOCK_BYTES}`);
}

/** With no chunk server left, one that restarts gets some time to come back. */
async function patiently<T>(context: ClientContext, ask: (attempt: number) => Promise<T>, givenUp = (): boolean => false): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask(attempt);
    } catch (error) {
      if (!hasCode(error, 'EIO') || attempt === ALLOCATE_TRIES || givenUp()) throw error;
      await context.clock.sleep(ALLOCATE_PAUSE_MS);
    }
  }
}
