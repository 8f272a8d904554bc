import { hasCode, messageOf } from '../../base/errors.ts';
import { recycleAttachment } from '../../kuafu/client.ts';
import { ChunkError, TRANSFER_BYTES_MAX } from '../chunk-contract.ts';
import { type FileStat, PanguError, type PanguFile, type ReadOptions } from '../contract.ts';
import { findMismatch } from '../core/blocks.ts';
import { cutAtChunks } from '../core/file-ranges.ts';
import { orderReplicas } from '../core/replica-order.ts';
import { crc } from '../crc.ts';
import type { LocatedChunk, Replica } from '../master-contract.ts';
import type { ClientContext } from './context.ts';
import type { Tried } from './hedge.ts';
import { reportBadReplica } from './report-bad-replica.ts';
import { visibleLength } from './visible-length.ts';

const READ_TIMEOUT_MS = 10_000;
/** Reads of one call in flight at once. */
const PARALLEL_MAX = 4;
/** While servers of a chunk are away, not broken, a reader asks again for this long: a restart takes a few seconds. */
const PATIENCE_MS_DEFAULT = 8_000;
const PAUSE_MS = 250;
/** A read that is overtaken is cancelled when it is larger than this. */
const CANCEL_BYTES_MIN = 64 * 1024;

/** Replica errors that are about these bytes, not about the server: the master wants to hear of them. */
const BAD_REPLICA_CODES = ['BadChecksum', 'NoChunk', 'BadRange', 'DiskFailed'];

type Present = Replica & { address: string };

/** `bad`: the replica; `away`: its server, which may come back. */
interface Failure {
  kind: 'ticket' | 'bad' | 'away';
  error: unknown;
}

/** A file being read, as it was when it was opened. Where its chunks are is remembered, and asked for again when no replica answers. */
export class FileReader implements PanguFile {
  readonly path: string;
  readonly stat: FileStat;
  readonly #context: ClientContext;
  readonly #file: string;
  readonly #patienceMs: number;
  #chunks: LocatedChunk[];
  #relocating: Promise<void> | undefined;
  #looking: Promise<void> | undefined;
  #closed = false;

  private constructor(
    context: ClientContext,
    stat: FileStat,
    file: string,
    chunks: LocatedChunk[],
    { patienceMs = PATIENCE_MS_DEFAULT }: ReadOptions,
  ) {
    this.#context = context;
    this.path = stat.path;
    this.stat = stat;
    this.#file = file;
    this.#patienceMs = patienceMs;
    this.#chunks = chunks;
  }

  static async open(
    context: ClientContext,
    path: string,
    options: ReadOptions = {},
    opened = context.masters.open({ path, near: context.node }),
  ): Promise<FileReader> {
    const { file, stat, chunks } = await opened;
    const reader = new FileReader(context, { path, ...stat }, file, chunks, options);
    if (chunks.at(-1)?.open) await reader.#lookAtEnd();
    return reader;
  }

  /** Looks how long the file is by now; while somebody writes it, mostly without a call to a master. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #look(): Promise<void> {
    if (this.#chunks.at(-1)?.open && !(await this.#lookAtEnd())) return;
    this.#chunks = (await this.#locate()).chunks;
    if (this.#chunks.at(-1)?.open) await this.#lookAtEnd();
  }

  /** @returns whether a master knows more. */
  async #lookAtEnd(): Promise<boolean> {
    const last = this.#chunks.at(-1)!;
    const { length, changed } = await visibleLength(this.#context, last);
    // What was seen stays, whatever a server says that comes back.
    if (length > last.length && this.#chunks.at(-1) === last) this.#chunks = [...this.#chunks.slice(0, -1), { ...last, length }];
    return changed;
  }

  get chunks(): readonly LocatedChunk[] {
    return this.#chunks;
  }

  get length(): number {
    const last = this.#chunks.at(-1);
    return last ? last.offset + last.length : 0;
  }

  async read(position: number, length: number): Promise<Buffer> {
    if (this.#closed) throw new PanguError('EBADF', `${this.path} is closed`);
    if (!Number.isSafeInteger(position) || position < 0) throw new PanguError('EINVAL', `position ${position}`);
    if (!Number.isSafeInteger(length) || length < 0) throw new PanguError('EINVAL', `length ${length}`);
    // Whoever asks for more than there was asks for what has come since.
    if (position + length > this.length && this.#chunks.at(-1)?.open) await this.look();
    const ranges = cutAtChunks(this.#chunks, position, length, TRANSFER_BYTES_MAX);
    if (ranges.length === 0) return Buffer.alloc(0);
    if (ranges.length === 1) return this.#readRange(ranges[0]!.chunk, ranges[0]!.offset, ranges[0]!.length);

    const whole = Buffer.allocUnsafeSlow(ranges.reduce((sum, range) => sum + range.length, 0));
    let next = 0;
    let at = 0;
    let failed = false;
    const worker = async (): Promise<void> => {
      while (next < ranges.length && !failed) {
        const { chunk, offset, length } = ranges[next++]!;
        const place = at;
        at += length;
        try {
          const piece = await this.#readRange(chunk, offset, length);
          whole.set(piece, place);
          recycleAttachment(piece);
        } catch (error) {
          failed = true;
          throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(PARALLEL_MAX, ranges.length) }, worker));
    return whole;
  }

  async write(): Promise<void> {
    throw new PanguError('EBADF', `${this.path} is open for reading`);
  }

  async pwrite(): Promise<void> {
    throw new PanguError('EBADF', `${this.path} is open for reading`);
  }

  async truncate(): Promise<void> {
    throw new PanguError('EBADF', `${this.path} is open for reading`);
  }

  async flush(): Promise<void> {
    throw new PanguError('EBADF', `${this.path} is open for reading`);
  }

  async sync(): Promise<void> {
    throw new PanguError('EBADF', `${this.path} is open for reading`);
  }

  async close(): Promise<FileStat> {
    this.#closed = true;
    return this.stat;
  }

  async abort(): Promise<void> {
    this.#closed = true;
  }

  async #readRange(first: LocatedChunk, offset: number, length: number): Promise<Buffer> {
    const { clock, failures, slow, random, node: own, hedges, local } = this.#context;
    const mine = await local.read(first, offset, length);
    if (mine) return mine;
    const giveUpAtMs = clock.monotonicMs() + this.#patienceMs;
    let chunk = first;
    for (let round = 1; ; round++) {
      let error: unknown = new Error('no server of this chunk is registered');
      const nowMs = clock.monotonicMs();
      const failed = (node: string): boolean => failures.isRecent(node, nowMs) || slow.isRecent(node, nowMs);
      const present = orderReplicas(chunk.replicas.filter(isPresent), { own, failed, random });
      let hopeful = present.length < chunk.replicas.length;
      const { chunk: id, ticket } = chunk;
      while (present.length > 0) {
        const tried = await hedges.read<Present, Buffer, Failure>({
          replicas: present,
          bytes: length,
          ask: (replica, signal) => this.#tryReplica({ chunk: id, ticket }, replica, offset, length, signal),
          standsStill: ({ node }) => slow.note(node, clock.monotonicMs()),
        });
        if ('value' in tried) return tried.value;
        error = tried.failures.at(-1)!.error;
        hopeful ||= tried.failures.some(({ kind }) => kind === 'away');
        // Ours has run out, or the key it was made with: the master gives another with the places of the chunk.
        if (tried.failures.some(({ kind }) => kind === 'ticket')) break;
        present.splice(0, tried.asked);
      }
      // A second round, with what the master knows now, comes always; more only while somebody may come back.
      if (round > 1 && (!hopeful || clock.monotonicMs() >= giveUpAtMs)) {
        throw new PanguError('EIO', `${this.path}: no replica of chunk ${chunk.chunk} can be read: ${messageOf(error)}`, {
          cause: error,
          details: { chunk: chunk.chunk, file: this.#file },
        });
      }
      if (round > 1) await clock.sleep(PAUSE_MS);
      await this.#relocate();
      const again = this.#chunks.find((other) => other.chunk === first.chunk);
      if (!again)
        throw new PanguError('EIO', `${this.path}: chunk ${first.chunk} is gone`, { details: { chunk: first.chunk, file: this.#file } });
      chunk = again;
    }
  }

  async #tryReplica(
    chunk: Pick<LocatedChunk, 'chunk' | 'ticket'>,
    replica: Present,
    offset: number,
    length: number,
    signal: AbortSignal,
  ): Promise<Tried<Buffer, Failure>> {
    try {
      return { value: await this.#readReplica(chunk, replica, offset, length, signal) };
    } catch (error) {
      if (signal.aborted) return { failure: { kind: 'away', error } };
      if (hasCode(error, 'NoTicket')) return { failure: { kind: 'ticket', error } };
      const { failures, clock } = this.#context;
      failures.note(replica.node, clock.monotonicMs());
      if (!isBadReplica(error)) return { failure: { kind: 'away', error } };
      reportBadReplica(this.#context, chunk.chunk, replica.node, error);
      return { failure: { kind: 'bad', error } };
    }
  }

  async #readReplica(
    { chunk, ticket }: Pick<LocatedChunk, 'chunk' | 'ticket'>,
    { node, address }: Present,
    offset: number,
    length: number,
    signal: AbortSignal,
  ): Promise<Buffer> {
    // A small reply that nobody wants any more is on its way anyhow; an abort signal would cost more than it.
    const cancelled = length > CANCEL_BYTES_MIN ? { signal } : {};
    const { body, attachment } = await this.#context
      .chunkServerAt(address)
      .read({ node, chunk, offset, length, ticket }, { timeoutMs: READ_TIMEOUT_MS, ...cancelled });
    // The server checked its disk; this checks the way from its memory to ours.
    if (attachment.length !== length || findMismatch(attachment, offset, body.crcs, crc) >= 0)
      throw new ChunkError('BadChecksum', `bytes of chunk ${chunk} from ${node} were damaged on the way`, { details: { offset } });
    return attachment;
  }

  /** Shared by all reads that need it at the moment. */
  #relocate(): Promise<void> {
    this.#relocating ??= this.#locate()
      .then(({ chunks }) => {
        // Only as much as was seen: a file being written has grown meanwhile.
        const known = new Map(this.#chunks.map((chunk) => [chunk.chunk, chunk]));
        this.#chunks = chunks
          .filter(({ chunk }) => known.has(chunk))
          .map((chunk) => ({ ...chunk, length: known.get(chunk.chunk)!.length }));
      })
      .finally(() => {
        this.#relocating = undefined;
      });
    return this.#relocating;
  }

  async #locate(): Promise<{ chunks: LocatedChunk[] }> {
    try {
      return await this.#context.masters.locate({ file: this.#file, near: this.#context.node });
    } catch (error) {
      if (hasCode(error, 'ENOENT')) throw new PanguError('ENOENT', `${this.path} was removed while it was read`, { cause: error });
      throw error;
    }
  }
}

function isPresent(replica: Replica): replica is Present {
  return replica.address !== undefined;
}

function isBadReplica(error: unknown): boolean {
  return error instanceof ChunkError && BAD_REPLICA_CODES.includes(error.code);
}
