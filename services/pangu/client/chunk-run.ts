import { FeitianError, hasCode, messageOf } from '../../base/errors.ts';
import { ChunkError } from '../chunk-contract.ts';
import { PanguError } from '../contract.ts';
import { crcsOf } from '../core/blocks.ts';
import { type Piece, SendWindow } from '../core/send-window.ts';
import { crc } from '../crc.ts';
import type { Allocation, Replica, WrittenChunk } from '../master-contract.ts';
import type { ClientContext } from './context.ts';

/** A megabyte down a chain, and at the end of a chunk what is left to sync; a busy disk takes its time. Each link gives up before the one above it. */
const APPEND_TIMEOUT_MS = 30_000;
const SEAL_TIMEOUT_MS = 10_000;
/** Chunks tried for one range of a file. Each failure excludes a node, so more than this means that something else is wrong. */
const ATTEMPTS_MAX = 8;

/** Refusals of a server that still holds what it took before: its disk is full, or it is about to leave and a master sealed the chunk there. */
const STILL_THERE = ['NoSpace', 'Sealed'];

export interface WritePiece extends Piece {
  readonly bytes: Buffer;
  readonly finish: 'none' | 'sync' | 'seal';
}

/** What a run needs of the file it writes for. */
export interface RunOwner {
  readonly context: ClientContext;
  readonly file: string;
  readonly chunkBytes: number;
  readonly durable: boolean;
  /** Bytes that fewer servers have are not acknowledged. */
  readonly minReplicas: number;
  /** The same chunk again, with a ticket that is good from now on. */
  again(index: number): Promise<Allocation>;
  /** Another chunk, to begin at `offset` of the file, away from `exclude`. */
  allocate(offset: number, exclude: readonly string[], noSpace: boolean): Promise<Allocation>;
  /** These bytes are where they shall be; their buffer is free if `reusable`. */
  acknowledged(piece: WritePiece, reusable: boolean): void;
  /** What the master shall know of a chunk now. */
  wrote(chunk: WrittenChunk): void;
  failed(error: unknown): void;
}

interface Attempt {
  readonly chunk: string;
  readonly index: number;
  ticket: string | undefined;
  /** Under way: another ticket, for all who need it. */
  renewing: Promise<void> | undefined;
  readonly replicas: Required<Replica>[];
  /** Replicas whose server was not there from the start. */
  readonly absent: string[];
  /** Where the chunk begins in the file. */
  readonly base: number;
  readonly abort: AbortController;
  broken: boolean;
}

/**
 * Writes one range of a file, at most a chunk long, whatever happens to chunk servers.
 *
 * Pieces go out as they come, several in flight, down the chain of replicas. When one fails, the chunk ends at what all of them
 * acknowledged: it is sealed there on those that are left, and the rest of the range goes to a new chunk on other nodes. So a run usually
 * makes one chunk, and each failure adds one. It fails only when acknowledged bytes are on no node any more, or no node is left to write to.
 */
export class ChunkRun {
  readonly #owner: RunOwner;
  readonly #window: SendWindow<WritePiece>;
  readonly #excluded = new Set<string>();
  #attempt: Attempt | undefined;
  #attempts = 0;
  #noSpace = false;
  #stopped = false;

  constructor(owner: RunOwner, start: number, allocation: Promise<Allocation>) {
    this.#owner = owner;
    this.#window = new SendWindow(start);
    this.#begin(allocation);
  }

  append(piece: WritePiece): void {
    this.#window.push(piece);
    if (this.#attempt && !this.#attempt.broken) void this.#send(this.#attempt, piece);
  }

  /** Gives up: what is in flight is cancelled, what comes of it ignored. */
  stop(): void {
    this.#stopped = true;
    this.#attempt?.abort.abort();
  }

  #begin(allocation: Promise<Allocation>): void {
    this.#attempt = undefined;
    allocation.then(
      ({ chunk, index, ticket, replicas }) => {
        const base = this.#window.acknowledgedEnd;
        const present = replicas.filter((replica): replica is Required<Replica> => replica.address !== undefined);
        const absent = replicas.filter(({ address }) => address === undefined).map(({ node }) => node);
        const abort = new AbortController();
        const attempt: Attempt = { chunk, index, ticket, renewing: undefined, replicas: present, absent, base, abort, broken: false };
        this.#attempt = attempt;
        this.#attempts++;
        if (this.#stopped) return;
        if (present.length < Math.max(1, this.#owner.minReplicas))
          return this.#break(attempt, absent, new Error(`of the new chunk's servers ${present.length} are there`));
        for (const piece of [...this.#window.pending]) void this.#send(attempt, piece);
      },
      (error) => this.#fail(error),
    );
  }

  async #send(attempt: Attempt, piece: WritePiece): Promise<void> {
    const [first] = attempt.replicas;
    try {
      await this.#withTicket(attempt, () => this.#appendPiece(attempt, piece));
    } catch (error) {
      if (!attempt.broken && !this.#stopped) this.#break(attempt, [culpritOf(error, first!.node)], error);
      return;
    }
    if (!attempt.broken && !this.#stopped) this.#acknowledge(attempt, piece);
  }

  /** Bytes that are there already are accepted, so what was refused may be sent again when the ticket is renewed. */
  async #withTicket(attempt: Attempt, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!hasCode(error, 'NoTicket')) throw error;
      attempt.renewing ??= this.#owner
        .again(attempt.index)
        .then(({ ticket }) => {
          attempt.ticket = ticket;
        })
        .finally(() => {
          attempt.renewing = undefined;
        });
      await attempt.renewing;
      await work();
    }
  }

  async #appendPiece(attempt: Attempt, piece: WritePiece): Promise<void> {
    const { context, chunkBytes, durable } = this.#owner;
    const [first, ...next] = attempt.replicas;
    const offset = piece.start - attempt.base;
    await context.chunkServerAt(first!.address).append(
      {
        node: first!.node,
        chunk: attempt.chunk,
        capacityBytes: chunkBytes,
        offset,
        crcs: crcsOf(piece.bytes, offset, crc),
        finish: piece.finish,
        durable,
        next,
        ticket: attempt.ticket,
      },
      { attachment: piece.bytes, timeoutMs: APPEND_TIMEOUT_MS, signal: attempt.abort.signal },
    );
  }

  #acknowledge(attempt: Attempt, piece: WritePiece): void {
    for (const done of this.#window.acknowledge(piece)) {
      if (done.finish !== 'none') {
        const state = done.finish === 'seal' ? 'sealed' : 'open';
        const length = done.start + done.length - attempt.base;
        if (length > 0) this.#owner.wrote({ chunk: attempt.chunk, offset: attempt.base, length, state, lost: attempt.absent });
      }
      // Sent once: whoever read it to the end has acknowledged it. Sent again, an old copy may still wait in a socket.
      this.#owner.acknowledged(done, this.#attempts === 1);
    }
  }

  #break(attempt: Attempt, culprits: string[], error: unknown): void {
    attempt.broken = true;
    attempt.abort.abort();
    const { context } = this.#owner;
    for (const node of culprits) {
      this.#excluded.add(node);
      context.failures.note(node, context.clock.monotonicMs());
    }
    if (causeOf(error) === 'NoSpace') this.#noSpace = true;
    context.log.warn({ chunk: attempt.chunk, nodes: culprits, error: messageOf(error) }, 'write.chunk.broken');
    this.#recover(attempt, culprits, error).catch((failure) => this.#fail(failure));
  }

  async #recover(attempt: Attempt, culprits: string[], error: unknown): Promise<void> {
    const length = this.#window.acknowledgedEnd - attempt.base;
    if (length > 0) {
      const survivors = await this.#sealSurvivors(attempt, length, culprits, error);
      if (this.#onlySealLeft(survivors)) return;
    }
    if (this.#attempts >= ATTEMPTS_MAX)
      throw this.#ioError(attempt, `${ATTEMPTS_MAX} chunks failed, the last one with ${messageOf(error)}`, error);
    if (this.#stopped) return;
    this.#window.rewind();
    this.#begin(this.#owner.allocate(this.#window.acknowledgedEnd, [...this.#excluded], this.#noSpace));
  }

  /** All bytes are there and the chunk is sealed: nothing is left to send. */
  #onlySealLeft(survivors: number): boolean {
    const { pending } = this.#window;
    if (pending.at(-1)?.finish !== 'seal' || pending.some((piece) => piece.length > 0)) return false;
    const { minReplicas } = this.#owner;
    if (survivors < minReplicas)
      throw new PanguError('EIO', `${survivors} servers have the end of the file, it wants ${minReplicas} at least`);
    for (const piece of [...pending]) for (const done of this.#window.acknowledge(piece)) this.#owner.acknowledged(done, false);
    return true;
  }

  async #sealSurvivors(attempt: Attempt, length: number, culprits: string[], error: unknown): Promise<number> {
    const { context, durable } = this.#owner;
    // A node that does not answer is worth asking only when it is the last.
    const hopeless = (node: string): boolean =>
      culprits.includes(node) && !STILL_THERE.includes(causeOf(error) ?? '') && attempt.replicas.length > culprits.length;
    const sealed = await Promise.all(
      attempt.replicas.map(async ({ node, address }) => {
        if (hopeless(node)) return false;
        try {
          const { chunk } = attempt;
          const server = context.chunkServerAt(address);
          await this.#withTicket(attempt, () =>
            server.seal({ node, chunk, length, durable, ticket: attempt.ticket }, { timeoutMs: SEAL_TIMEOUT_MS }),
          );
          return true;
        } catch (failure) {
          this.#excluded.add(node);
          context.log.warn({ chunk: attempt.chunk, node, error: messageOf(failure) }, 'write.seal.failed');
          return false;
        }
      }),
    );
    // Also so when the file is somebody else's by now, which says more.
    if (!sealed.includes(true)) await this.#owner.again(attempt.index);
    if (!sealed.includes(true)) throw this.#ioError(attempt, `no replica of chunk ${attempt.chunk} is left: ${messageOf(error)}`, error);
    const lost = attempt.replicas.filter((_, i) => !sealed[i]).map(({ node }) => node);
    this.#owner.wrote({ chunk: attempt.chunk, offset: attempt.base, length, state: 'sealed', lost: [...attempt.absent, ...lost] });
    return attempt.replicas.length - lost.length;
  }

  #ioError(attempt: Attempt, reason: string, cause: unknown): PanguError {
    return new PanguError(this.#noSpace ? 'ENOSPC' : 'EIO', reason, { cause, details: { chunk: attempt.chunk, file: this.#owner.file } });
  }

  #fail(error: unknown): void {
    this.stop();
    this.#owner.failed(error);
  }
}

/** The node to avoid: the one a link of the chain names, or the chain's first. */
function culpritOf(error: unknown, first: string): string {
  if (error instanceof ChunkError && hasCode(error, 'ChainBroken') && typeof error.details.node === 'string') return error.details.node;
  return first;
}

function causeOf(error: unknown): string | undefined {
  if (!(error instanceof FeitianError)) return undefined;
  return error.code === 'ChainBroken' ? String(error.details.cause) : error.code;
}
