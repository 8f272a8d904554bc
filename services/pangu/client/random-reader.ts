import { hasCode, messageOf } from '../../base/errors.ts';
import { ChunkError } from '../chunk-contract.ts';
import { type FileStat, PanguError, type PanguFile, type ReadOptions } from '../contract.ts';
import { cutAtIndexes } from '../core/random-ranges.ts';
import { orderReplicas } from '../core/replica-order.ts';
import { crc } from '../crc.ts';
import { RANDOM_TRANSFER_BYTES_MAX } from '../random-chunk-contract.ts';
import { RANDOM_INDEXES_MAX, RANDOM_PLACE_MS, type RandomPlace } from '../random-contract.ts';
import type { ClientContext } from './context.ts';
import { reportBadReplica } from './report-bad-replica.ts';

const READ_TIMEOUT_MS = 5_000;
/** Reads of one call in flight at once. */
const PARALLEL_MAX = 8;
const PATIENCE_MS_DEFAULT = 8_000;
const PAUSE_MS = 250;
/** Replica errors that are about these bytes, not about the server: the master wants to hear of them. */
const BAD_REPLICA_CODES = ['BadChecksum', 'DiskFailed'];

interface Known {
  place: RandomPlace;
  untilMs: number;
}

/**
 * Reads of a `random` file. Where its chunks are is believed for `RANDOM_PLACE_MS`, from before it was asked for until after a reply has come: a replica that
 * missed a write is not read by then (master/random-replicas.ts). That a chunk is not there is not remembered at all: it may be made at any moment.
 *
 * While somebody has the file open for writing, all readers of a chunk read the same replica as long as it answers. A write under way is there or not, on one replica
 * sooner than on another, and so nobody sees it come and go.
 */
export class RandomReader implements PanguFile {
  readonly path: string;
  readonly stat: FileStat;
  readonly #context: ClientContext;
  readonly #file: string;
  readonly #patienceMs: number;
  readonly #chunkBytes: number;
  readonly #known = new Map<number, Known>();
  #size: number;
  #open: boolean;
  #closed = false;

  constructor(context: ClientContext, file: string, stat: FileStat, { patienceMs = PATIENCE_MS_DEFAULT }: ReadOptions = {}) {
    this.#context = context;
    this.#file = file;
    this.#patienceMs = patienceMs;
    this.path = stat.path;
    this.stat = stat;
    this.#chunkBytes = stat.chunkBytes;
    this.#size = stat.size;
    this.#open = stat.state === 'open';
  }

  /** As far as is known. */
  get length(): number {
    return this.#size;
  }

  /** How long the file is by now. */
  async look(): Promise<void> {
    await this.#locate([]);
  }

  async read(position: number, length: number): Promise<Buffer> {
    if (this.#closed) throw new PanguError('EBADF', `${this.path} is closed`);
    checkRange(position, length);
    // Whoever asks for more than there was asks for what has come since.
    if (position + length > this.#size) await this.look();
    return this.readUpTo(position, length, this.#size);
  }

  /** For a writer, which knows how long the file is. */
  async readUpTo(position: number, length: number, size: number): Promise<Buffer> {
    const bytes = Buffer.alloc(Math.max(0, Math.min(position + length, size) - position));
    const ranges = cutAtIndexes(position, bytes.length, this.#chunkBytes, RANDOM_TRANSFER_BYTES_MAX);
    const giveUpAtMs = this.#context.clock.monotonicMs() + this.#patienceMs;
    const absent = await this.#know([...new Set(ranges.map(({ index }) => index))], giveUpAtMs);
    let next = 0;
    let failed = false;
    const worker = async (): Promise<void> => {
      while (next < ranges.length && !failed) {
        const { index, offset, length: piece, start } = ranges[next++]!;
        if (absent.has(index)) continue;
        try {
          const read = await this.#readPiece(index, offset, piece, giveUpAtMs);
          if (read) bytes.set(read, start);
        } catch (error) {
          failed = true;
          throw error;
        }
      }
    };
    if (ranges.length === 1) await worker();
    else await Promise.all(Array.from({ length: Math.min(PARALLEL_MAX, ranges.length) }, worker));
    return bytes;
  }

  /** A chunk is elsewhere, or there, by now; without an index: any. */
  forget(index?: number): void {
    if (index === undefined) this.#known.clear();
    else this.#known.delete(index);
  }

  async write(): Promise<void> {
    throw this.#readOnly();
  }

  async pwrite(): Promise<void> {
    throw this.#readOnly();
  }

  async truncate(): Promise<void> {
    throw this.#readOnly();
  }

  async flush(): Promise<void> {
    throw this.#readOnly();
  }

  async sync(): Promise<void> {
    throw this.#readOnly();
  }

  async close(): Promise<FileStat> {
    this.#closed = true;
    return this.stat;
  }

  async abort(): Promise<void> {
    this.#closed = true;
  }

  #readOnly(): PanguError {
    return new PanguError('EBADF', `${this.path} is open for reading`);
  }

  /** Undefined: the chunk is not there, so it is all zeros. */
  async #readPiece(index: number, offset: number, length: number, giveUpAtMs: number): Promise<Buffer | undefined> {
    const { clock, failures } = this.#context;
    for (let round = 1; ; round++) {
      let error: unknown = new Error('no server of this chunk is registered');
      let hopeful = false;
      if (!this.#knownNow(index)) await this.#know([index], giveUpAtMs);
      const known = this.#known.get(index);
      if (!known) return undefined;
      const { chunk, version, ticket } = known.place;
      for (const { node, address } of this.#order(known.place)) {
        if (address === undefined) {
          hopeful = true;
          continue;
        }
        try {
          const { body, attachment } = await this.#context
            .chunkServerAt(address)
            .randomRead({ node, chunk, version, offset, length, ticket }, { timeoutMs: READ_TIMEOUT_MS });
          if (attachment.length !== length || crc(attachment) !== body.crc)
            throw new ChunkError('BadChecksum', `bytes of chunk ${chunk} from ${node} were damaged on the way`, { details: { offset } });
          if (clock.monotonicMs() <= known.untilMs) return attachment;
          // It took so long that this replica may not count any more.
          error = new Error('the places of the chunk are too old');
          hopeful = true;
          break;
        } catch (failure) {
          error = failure;
          hopeful = true;
          // Ours is old, or the ticket: the master says what holds.
          if (hasCode(failure, 'StaleVersion', 'NoTicket')) break;
          failures.note(node, clock.monotonicMs());
          if (hasCode(failure, ...BAD_REPLICA_CODES)) reportBadReplica(this.#context, chunk, node, failure);
        }
      }
      this.forget(index);
      if (round > 1 && (!hopeful || clock.monotonicMs() >= giveUpAtMs))
        throw new PanguError('EIO', `${this.path}: no replica of chunk ${chunk} can be read: ${messageOf(error)}`, {
          cause: error,
          details: { chunk, file: this.#file },
        });
      if (round > 1) await clock.sleep(PAUSE_MS);
    }
  }

  #order({ chunk, replicas }: RandomPlace): RandomPlace['replicas'] {
    const { clock, failures, random, node: own } = this.#context;
    const failed = (node: string): boolean => failures.isRecent(node, clock.monotonicMs());
    if (!this.#open) return orderReplicas(replicas, { own, failed, random });
    const rank = ({ node }: { node: string }): number => (failed(node) ? 2 ** 32 : 0) + crc(Buffer.from(`${chunk} ${node}`));
    return [...replicas].sort((a, b) => rank(a) - rank(b));
  }

  #knownNow(index: number): Known | undefined {
    const known = this.#known.get(index);
    return known && known.untilMs > this.#context.clock.monotonicMs() ? known : undefined;
  }

  /** Asks for what is not known, or was not asked for lately. @returns those that are not there. */
  async #know(indexes: readonly number[], giveUpAtMs: number): Promise<Set<number>> {
    const unknown = indexes.filter((index) => !this.#knownNow(index));
    for (let at = 0; at < unknown.length; at += RANDOM_INDEXES_MAX) {
      if (at > 0 && this.#context.clock.monotonicMs() > giveUpAtMs) break;
      await this.#locate(unknown.slice(at, at + RANDOM_INDEXES_MAX));
    }
    return new Set(unknown.filter((index) => !this.#known.has(index)));
  }

  async #locate(indexes: number[]): Promise<void> {
    const untilMs = this.#context.clock.monotonicMs() + RANDOM_PLACE_MS;
    for (const index of indexes) this.#known.delete(index);
    try {
      const { size, open, chunks } = await this.#context.masters.randomLocate({ file: this.#file, indexes });
      this.#size = size;
      this.#open = open;
      for (const place of chunks) this.#known.set(place.index, { place, untilMs });
    } catch (error) {
      if (hasCode(error, 'ENOENT')) throw new PanguError('ENOENT', `${this.path} was removed while it was read`, { cause: error });
      throw error;
    }
  }
}

export function checkRange(position: number, length: number): void {
  if (!Number.isSafeInteger(position) || position < 0) throw new PanguError('EINVAL', `position ${position}`);
  if (!Number.isSafeInteger(length) || length < 0) throw new PanguError('EINVAL', `length ${length}`);
}
