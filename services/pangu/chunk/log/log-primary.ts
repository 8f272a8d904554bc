import { FeitianError, messageOf } from '../../../base/errors.ts';
import type { ServiceClient } from '../../../kuafu/contract.ts';
import { ChunkError, type ChunkServerContract } from '../../chunk-contract.ts';
import { crcsOf } from '../../core/blocks.ts';
import { crc } from '../../crc.ts';
import { LOG_CALL_BYTES_MAX } from '../../log-contract.ts';
import type { LogChunk } from './log-chunk.ts';

/** Another replica that is silent for so long has failed: all writers of the log wait for it. */
const BATCH_TIMEOUT_MS = 3_000;

interface Call {
  readonly writer: string;
  readonly sequence: number;
  readonly bytes: Uint8Array;
  readonly resolve: (offset: number) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Puts the records of a log's chunk in order: what comes while a batch is written is the next batch, so a sync serves all who wait for it. All replicas write a batch at the same
 * time, and it is acknowledged when all have it on disk. The first failure of any of them is the end of the chunk.
 */
export class LogPrimary {
  readonly #chunk: LogChunk;
  readonly #others: { node: string; server: ServiceClient<ChunkServerContract> }[];
  /** The last call of each writer, done or under way. */
  readonly #last = new Map<string, { sequence: number; done: Promise<number> }>();
  #waiting: Call[] = [];
  #working = false;
  #acknowledgedLength = 0;
  #ended: ChunkError | undefined;

  constructor(chunk: LogChunk, others: { node: string; server: ServiceClient<ChunkServerContract> }[]) {
    this.#chunk = chunk;
    this.#others = others;
  }

  get acknowledgedLength(): number {
    return this.#acknowledgedLength;
  }

  /** Resolves to where the bytes are in the chunk. */
  append(writer: string, sequence: number, bytes: Uint8Array): Promise<number> {
    const last = this.#last.get(writer);
    if (last?.sequence === sequence) return last.done;
    if (last && last.sequence > sequence)
      return Promise.reject(new ChunkError('BadRange', `call ${sequence} of ${writer} comes after ${last.sequence}`));
    if (this.#ended) return Promise.reject(this.#ended);
    const done = new Promise<number>((resolve, reject) => this.#waiting.push({ writer, sequence, bytes, resolve, reject }));
    this.#last.set(writer, { sequence, done });
    if (!this.#working) void this.#work();
    return done;
  }

  async #work(): Promise<void> {
    this.#working = true;
    while (this.#waiting.length > 0 && !this.#ended) {
      const batch = this.#nextBatch();
      if (batch.length === 0) {
        this.#end(new ChunkError('Sealed', `chunk ${this.#chunk.file.chunk} is full`, { details: { length: this.#chunk.length } }));
        break;
      }
      try {
        await this.#write(batch);
      } catch (error) {
        const ended = error instanceof ChunkError ? error : new ChunkError('DiskFailed', messageOf(error), { cause: error });
        for (const { reject } of batch) reject(ended);
        this.#end(ended);
      }
    }
    this.#working = false;
  }

  /** As much as fits, in the order in which it came. */
  #nextBatch(): Call[] {
    const room = Math.min(this.#chunk.file.capacityBytes - this.#chunk.length, LOG_CALL_BYTES_MAX);
    let bytes = 0;
    let count = 0;
    for (const call of this.#waiting) {
      if (bytes + call.bytes.length > room) break;
      bytes += call.bytes.length;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #write(batch: readonly Call[]): Promise<void> {
    const { file, length: offset } = this.#chunk;
    const bytes = batch.length === 1 ? batch[0]!.bytes : Buffer.concat(batch.map((call) => call.bytes));
    const calls = batch.map(({ writer, sequence, bytes }) => ({ writer, sequence, length: bytes.length }));
    const crcs = crcsOf(bytes, offset, crc);
    const { chunk, capacityBytes } = file;
    await Promise.all([
      ...this.#others.map(({ node, server }) =>
        server
          .appendBatch({ node, chunk, capacityBytes, offset, crcs, calls }, { attachment: bytes, timeoutMs: BATCH_TIMEOUT_MS })
          .catch((error: unknown) => {
            const cause = error instanceof FeitianError ? error.code : 'Internal';
            throw new ChunkError('ChainBroken', `${node}: ${messageOf(error)}`, { cause: error, details: { node, cause } });
          }),
      ),
      this.#chunk.append(offset, bytes, calls, crcs),
    ]);
    let at = offset;
    for (const call of batch) {
      call.resolve(at);
      at += call.bytes.length;
    }
    this.#acknowledgedLength = at;
  }

  #end(error: ChunkError): void {
    this.#ended = error;
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting = [];
  }
}
