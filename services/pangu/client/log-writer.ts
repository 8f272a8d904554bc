import { FeitianError, hasCode, messageOf } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { ChunkError } from '../chunk-contract.ts';
import { CHUNK_BYTES_DEFAULT, PanguError, type PanguLog, REPLICAS_DEFAULT, type WriteOptions } from '../contract.ts';
import { crc } from '../crc.ts';
import { LOG_CALL_BYTES_MAX, type LogPlaced } from '../log-contract.ts';
import type { Replica } from '../master-contract.ts';
import type { ClientContext } from './context.ts';
import { checkChunkBytes } from './file-writer.ts';

/** Longer than a primary waits for the other replicas. */
const APPEND_TIMEOUT_MS = 8_000;
/** How long a record is tried to be added while servers are away, as a restart of all takes some seconds. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 250;

interface Waiting {
  readonly record: Uint8Array;
  readonly resolve: (place: { offset: number }) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One writer of a log. Records that are added while a call is under way go together in the next one, so that there is one call at a time and its number is enough to
 * tell, whatever becomes of replies, servers and chunks, whether its records are in (master/log-places.ts).
 */
export class LogWriter implements PanguLog {
  readonly path: string;
  readonly #context: ClientContext;
  readonly #writer = newId('log');
  #place: LogPlaced;
  #sequence = 0;
  #waiting: Waiting[] = [];
  #working: Promise<void> | undefined;
  #closed = false;

  private constructor(context: ClientContext, path: string, place: LogPlaced) {
    this.#context = context;
    this.path = path;
    this.#place = place;
  }

  static async open(context: ClientContext, path: string, options: WriteOptions = {}): Promise<LogWriter> {
    const { chunkBytes, replicas = REPLICAS_DEFAULT, minReplicas = 1, parents = false } = options;
    if (chunkBytes !== undefined) checkChunkBytes(chunkBytes);
    if (!Number.isInteger(replicas) || replicas < 1) throw new PanguError('EINVAL', `replicas is ${replicas}`);
    if (!Number.isInteger(minReplicas) || minReplicas < 1 || minReplicas > replicas)
      throw new PanguError('EINVAL', `minReplicas is ${minReplicas}, replicas ${replicas}`);
    const place = await context.masters.openLog({ file: newId('f'), path, chunkBytes, replicas, minReplicas, parents });
    return new LogWriter(context, path, place);
  }

  append(record: Uint8Array | string): Promise<{ offset: number }> {
    const bytes = Buffer.from(record); // a copy: the caller's may be used again
    const { chunkBytes = CHUNK_BYTES_DEFAULT } = this.#place;
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new PanguError('EBADF', `${this.path} is closed`));
      const bytesMax = Math.min(LOG_CALL_BYTES_MAX, chunkBytes);
      if (bytes.length === 0 || bytes.length > bytesMax)
        return reject(new PanguError('EINVAL', `a record has 1 to ${bytesMax} bytes, not ${bytes.length}`));
      this.#waiting.push({ record: bytes, resolve, reject });
      this.#working ??= this.#work();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#working;
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      const call = this.#takeCall();
      try {
        let offset = await this.#carryOut(
          ++this.#sequence,
          call.length === 1 ? call[0]!.record : Buffer.concat(call.map(({ record }) => record)),
        );
        for (const { record, resolve } of call) {
          resolve({ offset });
          offset += record.length;
        }
      } catch (error) {
        for (const { reject } of call) reject(error);
      }
    }
    // In the same breath in which nothing was found waiting: what comes next begins anew.
    this.#working = undefined;
  }

  #takeCall(): Waiting[] {
    const bytesMax = Math.min(LOG_CALL_BYTES_MAX, this.#place.chunkBytes);
    let bytes = 0;
    let count = 0;
    for (const { record } of this.#waiting) {
      if (bytes + record.length > bytesMax) break;
      bytes += record.length;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  /** @returns where the bytes begin in the file. Errors: ENOENT, ENOSPC, EDQUOT; EIO (the records may be in the log, or not). */
  async #carryOut(sequence: number, bytes: Uint8Array): Promise<number> {
    const { clock } = this.#context;
    const giveUpAtMs = clock.monotonicMs() + PATIENCE_MS;
    const excluded = new Set<string>();
    for (;;) {
      const failure = await this.#send(sequence, bytes);
      if (typeof failure === 'number') return failure;
      for (const node of failure.culprits) excluded.add(node);
      const { mark } = await this.#moveOn([...excluded], giveUpAtMs);
      if (mark?.sequence === sequence) return mark.offset;
      if (clock.monotonicMs() >= giveUpAtMs)
        throw new PanguError('EIO', `${this.path}: no record can be added: ${messageOf(failure.error)}`, {
          cause: failure.error,
          details: { chunk: this.#place.chunk, file: this.#place.file },
        });
    }
  }

  async #send(sequence: number, bytes: Uint8Array): Promise<number | { culprits: string[]; error: unknown }> {
    const { chunk, chunkBytes, primary, replicas, ticket, offset: base } = this.#place;
    const absent = replicas.filter(({ address }) => address === undefined).map(({ node }) => node);
    if (absent.length > 0) return { culprits: absent, error: new Error(`${absent.join()} of the chunk are away`) };
    const present = replicas as Required<Replica>[];
    const first = present.find(({ node }) => node === primary);
    // Its replica is gone from where it was: it was moved off a server that is about to leave.
    if (!first) return { culprits: [], error: new Error(`${primary} does not have the chunk any more`) };
    const others = present.filter((replica) => replica !== first);
    try {
      const { offset } = await this.#context
        .chunkServerAt(first.address)
        .appendRecords(
          { node: primary, chunk, capacityBytes: chunkBytes, writer: this.#writer, sequence, crc: crc(bytes), others, ticket },
          { attachment: bytes, timeoutMs: APPEND_TIMEOUT_MS },
        );
      return base + offset;
    } catch (error) {
      const { log, failures, clock } = this.#context;
      const culprits = culpritsOf(error, primary);
      for (const node of culprits) failures.note(node, clock.monotonicMs());
      log.info({ path: this.path, chunk, culprits, error: messageOf(error) }, 'log.chunk.broken');
      return { culprits, error };
    }
  }

  /** To the next chunk. While none of the present one's servers answers what was acknowledged there is not to be passed over. */
  async #moveOn(exclude: string[], giveUpAtMs: number): Promise<LogPlaced> {
    const { masters, clock } = this.#context;
    for (;;) {
      try {
        const { file, chunk } = this.#place;
        this.#place = await masters.continueLog({ file, chunk, writer: this.#writer, exclude });
        return this.#place;
      } catch (error) {
        if (!hasCode(error, 'EIO', 'Unavailable', 'DeadlineExceeded') || clock.monotonicMs() >= giveUpAtMs) throw error;
        await clock.sleep(PAUSE_MS);
      }
    }
  }
}

/** Nodes to stay away from. A chunk that is full, or one whose server was restarted, is nobody's fault. */
function culpritsOf(error: unknown, primary: string): string[] {
  if (!(error instanceof FeitianError)) return [primary];
  if (error.code === 'ChainBroken') return STANDING.includes(String(error.details.cause)) ? [] : [String(error.details.node)];
  return STANDING.includes(error.code) ? [] : [primary];
}

const STANDING = ['Sealed', 'NoTicket', 'BadRange', 'NoChunk'] satisfies (typeof ChunkError.codes)[number][] as string[];
