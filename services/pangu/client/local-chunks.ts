import { hasCode, messageOf } from '../../base/errors.ts';
import type { LocatedChunk, Replica } from '../master-contract.ts';
import type { ClientContext } from './context.ts';
import { LocalChunk } from './local-chunk.ts';

/** Asking for the path and opening the file costs as much as a few reads: not for a small chunk that is read once. */
const CHUNK_BYTES_MIN = 512 * 1024;
const OPEN_MAX = 64;
/** A chunk that is deleted keeps its room on the disk for as long as somebody has it open. */
const IDLE_MS = 10_000;
/** A server whose files may not be read, as they are another user's or another machine's, is not asked again for so long. */
const REFUSED_MS = 60_000;
/** The file's place is in the server's memory. One that does not tell it at once is not to be waited for. */
const PATH_TIMEOUT_MS = 250;

type Needs = Pick<ClientContext, 'node' | 'clock' | 'log' | 'chunkServerAt'>;

interface Entry {
  /** Undefined: it cannot be read here. */
  readonly opened: Promise<LocalChunk | undefined>;
  usedAtMs: number;
}

/** Chunks that a client reads from its own node's disk. Whatever is in the way of that, their server is asked instead. */
export class LocalChunks {
  readonly #needs: Needs;
  /** The one used last stands last. */
  readonly #entries = new Map<string, Entry>();
  #refusedUntilMs = Number.NEGATIVE_INFINITY;
  #sweeping = false;

  constructor(needs: Needs) {
    this.#needs = needs;
  }

  /** Undefined: ask a server. */
  async read(chunk: LocatedChunk, offset: number, length: number): Promise<Buffer | undefined> {
    const replica = this.#ownReplica(chunk);
    if (!replica) return undefined;
    const entry = this.#entryOf(chunk, replica);
    try {
      return await (await entry.opened)?.read(offset, length);
    } catch (error) {
      // Its server looks at it too, and says what it finds.
      this.#needs.log.debug({ chunk: chunk.chunk, error: messageOf(error) }, 'read.local.failed');
      this.#drop(chunk.chunk, entry);
      this.#refusedUntilMs = this.#needs.clock.monotonicMs() + IDLE_MS;
      return undefined;
    }
  }

  close(): void {
    for (const [chunk, entry] of this.#entries) this.#drop(chunk, entry);
  }

  #ownReplica({ open, length, replicas }: LocatedChunk): Required<Pick<Replica, 'node' | 'address'>> | undefined {
    const { node: own, clock } = this.#needs;
    if (own === undefined || open || length < CHUNK_BYTES_MIN || clock.monotonicMs() < this.#refusedUntilMs) return undefined;
    for (const { node, address } of replicas) if (node === own && address !== undefined) return { node, address };
    return undefined;
  }

  #entryOf(chunk: LocatedChunk, replica: { node: string; address: string }): Entry {
    const usedAtMs = this.#needs.clock.monotonicMs();
    const known = this.#entries.get(chunk.chunk);
    const entry = known ?? { opened: this.#open(chunk, replica), usedAtMs };
    entry.usedAtMs = usedAtMs;
    this.#entries.delete(chunk.chunk);
    this.#entries.set(chunk.chunk, entry);
    for (const [oldest, old] of this.#entries) {
      if (this.#entries.size <= OPEN_MAX) break;
      this.#drop(oldest, old);
    }
    if (!this.#sweeping) void this.#sweep();
    return entry;
  }

  async #open({ chunk, ticket }: LocatedChunk, { node, address }: { node: string; address: string }): Promise<LocalChunk | undefined> {
    const { chunkServerAt, clock, log } = this.#needs;
    try {
      const { place } = await chunkServerAt(address).localPath({ node, chunk, ticket }, { timeoutMs: PATH_TIMEOUT_MS });
      return place && (await LocalChunk.open(place.path, chunk, place.dataOffset));
    } catch (error) {
      log.debug({ chunk, node, error: messageOf(error) }, 'read.local.refused');
      // One that was away, or busy, may tell it soon.
      const forMs = hasCode(error, 'DiskFailed', 'BadChecksum', 'NoTicket') ? REFUSED_MS : IDLE_MS;
      this.#refusedUntilMs = clock.monotonicMs() + forMs;
      return undefined;
    }
  }

  #drop(chunk: string, entry: Entry): void {
    if (this.#entries.get(chunk) === entry) this.#entries.delete(chunk);
    void entry.opened.then((file) => file?.close());
  }

  /** Runs while anything is open. */
  async #sweep(): Promise<void> {
    const { clock } = this.#needs;
    this.#sweeping = true;
    while (this.#entries.size > 0) {
      await clock.sleep(IDLE_MS, undefined, { ref: false });
      const idleSinceMs = clock.monotonicMs() - IDLE_MS;
      for (const [chunk, entry] of this.#entries) if (entry.usedAtMs <= idleSinceMs) this.#drop(chunk, entry);
    }
    this.#sweeping = false;
  }
}
