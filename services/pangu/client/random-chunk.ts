import { hasCode, messageOf } from '../../base/errors.ts';
import type { ServiceClient } from '../../kuafu/contract.ts';
import { ChunkError, type ChunkServerContract } from '../chunk-contract.ts';
import { PanguError } from '../contract.ts';
import { crc } from '../crc.ts';
import type { RandomPlace } from '../random-contract.ts';
import type { ClientContext } from './context.ts';

/**
 * The writer's side of one chunk of a `random` file.
 *
 * A write goes to all replicas at once, from here: small writes are what such files are for, and so each waits for one round trip and for the slowest disk, not for a
 * chain of them; and who failed is seen at once. It is done when all have it.
 *
 * A write that failed anywhere may still arrive there, any time. So it is not sent again as it was: the chunk gets a new version first (a master does that:
 * master/random-replicas.ts), without the replicas that failed, and what still comes under the old one is refused everywhere. Then it is sent again to those that are left.
 */
export interface RandomOwner {
  readonly context: ClientContext;
  readonly path: string;
  readonly file: string;
  readonly durable: boolean;
  readonly minReplicas: number;
  readonly patienceMs: number;
  epoch(): number;
  /** The chunk with the places of its replicas as they are now, made if it is not there. */
  allocate(index: number): Promise<RandomPlace>;
  /** Replicas of a chunk are others than they were. */
  moved(index: number): void;
  /** A server did not answer: other chunks may have replicas there. */
  suspect(node: string): void;
  /** Nothing can be written any more. */
  failed(error: unknown): void;
}

type Send = (
  server: ServiceClient<ChunkServerContract>,
  named: { node: string; chunk: string; version: number; ticket?: string },
) => Promise<{ boot: string }>;

/** A replica that takes longer than this, or than its writer has patience, is left out. */
const WRITE_TIMEOUT_MS = 5_000;
const PROBE_TIMEOUT_MS = 2_000;
const PAUSE_MS = 250;
/** Each is a change of replicas, of which there are sixteen at most, or somebody else's. */
const TRIES_MAX = 40;
/** These a replica says of itself: it will not be better when it is asked again. */
const GUILTY_CODES = ['NoSpace', 'DiskFailed', 'BadChecksum', 'NoChunk'];

export class RandomChunkWriter {
  readonly #owner: RandomOwner;
  readonly #index: number;
  #place: RandomPlace | undefined;
  #mending: Promise<void> | undefined;
  /** Of the present version: replicas that failed, and whether it is of any use to ask them again. */
  readonly #accused = new Map<string, { guilty: boolean }>();
  #ticketRefused = false;
  /** What was not synced, by node: the boot of its machine. */
  readonly #unsynced = new Map<string, string>();

  constructor(owner: RandomOwner, index: number) {
    this.#owner = owner;
    this.#index = index;
  }

  get #timeoutMs(): number {
    return Math.min(WRITE_TIMEOUT_MS, this.#owner.patienceMs);
  }

  async place(): Promise<RandomPlace> {
    return (this.#place ??= await this.#owner.allocate(this.#index));
  }

  get isUnsynced(): boolean {
    return this.#unsynced.size > 0;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const { durable } = this.#owner;
    const sum = crc(bytes);
    const boots = await this.#onAll((server, named) =>
      server.randomWrite({ ...named, offset, crc: sum, durable }, { attachment: bytes, timeoutMs: this.#timeoutMs }),
    );
    if (!durable) for (const [node, boot] of boots) if (!this.#unsynced.has(node)) this.#unsynced.set(node, boot);
  }

  async cut(length: number): Promise<void> {
    await this.#onAll((server, named) => server.randomCut({ ...named, length, durable: true }, { timeoutMs: this.#timeoutMs }));
  }

  /** What was acknowledged is on disk, on all replicas. A machine that started anew since has lost it, and its replica does not count any more. */
  async sync(): Promise<void> {
    await this.#onAll(async (server, named) => {
      const reply = await server.randomSync(named, { timeoutMs: this.#timeoutMs });
      const before = this.#unsynced.get(named.node);
      if (before !== undefined && before !== reply.boot)
        throw new ChunkError('NoChunk', `${named.node} started anew and lost what was not synced`);
      return reply;
    });
    this.#unsynced.clear();
  }

  /** Replicas are others now, and nothing is under way. */
  moveTo(place: RandomPlace): void {
    this.#place = { ...place, ticket: place.ticket ?? this.#place?.ticket };
    this.#accused.clear();
    this.#owner.moved(this.#index);
  }

  /**
   * Goes on without a replica on a node that did not answer for another chunk, and does not for this one: all chunks wait together until nobody reads it
   * any more, rather than each when it is written to.
   */
  async suspect(node: string): Promise<void> {
    const place = this.#place;
    const replica = place?.replicas.find((each) => each.node === node);
    if (!place || !replica || this.#mending || place.replicas.length <= Math.max(1, this.#owner.minReplicas)) return;
    if (replica.address !== undefined && (await this.#isSound(place, node, replica.address))) return;
    if (this.#place !== place || this.#mending) return;
    this.#accuse(place, node, new Error(`${node} does not answer`));
    await this.#startMending(place, undefined);
  }

  /** @returns what each node said of its boot. */
  async #onAll(send: Send): Promise<[string, string][]> {
    for (let attempt = 1; ; attempt++) {
      if (this.#mending) await this.#mending;
      this.#place ??= await this.#owner.allocate(this.#index);
      const place = this.#place;
      const results = await Promise.allSettled(place.replicas.map((replica) => this.#sendTo(place, replica, send)));
      const failures = results.flatMap((result, i) =>
        result.status === 'rejected' ? [{ node: place.replicas[i]!.node, error: result.reason }] : [],
      );
      if (failures.length === 0) return place.replicas.map(({ node }, i) => [node, (results[i] as PromiseFulfilledResult<string>).value]);
      if (failures.length === results.length && failures.every(({ error }) => hasCode(error, 'NoSpace')))
        throw new PanguError('ENOSPC', `${this.#owner.path}: the disks of chunk ${place.chunk} are full`, { cause: failures[0]!.error });
      if (attempt === TRIES_MAX) throw this.#lost(failures[0]!.error);
      for (const { node, error } of failures) this.#accuse(place, node, error);
      if (this.#place === place) await this.#startMending(place, failures[0]!.error);
    }
  }

  #startMending(place: RandomPlace, error: unknown): Promise<void> {
    // It begins once it is known to be under way: what it suspects may come back to this very chunk.
    this.#mending ??= Promise.resolve()
      .then(() => this.#mend(place, error))
      .finally(() => {
        this.#mending = undefined;
      });
    return this.#mending;
  }

  async #sendTo(
    { chunk, version, ticket }: RandomPlace,
    { node, address }: { node: string; address?: string },
    send: Send,
  ): Promise<string> {
    if (address === undefined) throw new Error(`${node} is not registered`);
    return (await send(this.#owner.context.chunkServerAt(address), { node, chunk, version, ticket })).boot;
  }

  #accuse(place: RandomPlace, node: string, error: unknown): void {
    if (this.#place !== place) return;
    if (hasCode(error, 'BadRange', 'InvalidRequest')) throw error;
    if (hasCode(error, 'NoTicket')) this.#ticketRefused = true;
    // It has all that was acknowledged; versions are what a master sets right.
    else if (!hasCode(error, 'StaleVersion')) this.#accused.set(node, { guilty: hasCode(error, ...GUILTY_CODES) });
    this.#owner.context.log.warn({ chunk: place.chunk, node, version: place.version, error: messageOf(error) }, 'random.write.failed');
  }

  async #mend(place: RandomPlace, error: unknown): Promise<void> {
    const { context, file, minReplicas, patienceMs } = this.#owner;
    try {
      if (this.#ticketRefused) {
        this.#ticketRefused = false;
        this.#place = await this.#owner.allocate(this.#index);
        return;
      }
      for (const [node, { guilty }] of this.#accused) {
        context.failures.note(node, context.clock.monotonicMs());
        if (!guilty) this.#owner.suspect(node);
      }
      const giveUpAtMs = context.clock.monotonicMs() + patienceMs;
      let now = place;
      let survivors = place.replicas.map(({ node }) => node).filter((node) => !this.#accused.has(node));
      for (;;) {
        if (survivors.length < Math.max(1, minReplicas) && !(await this.#awaitOthers(now, survivors))) throw this.#lost(error);
        try {
          const { chunk, version } = now;
          this.moveTo(await context.masters.bumpVersion({ file, epoch: this.#owner.epoch(), chunk, version, survivors }));
          return;
        } catch (failure) {
          // One that answered a moment ago went away before it was told. It has all that was acknowledged, and is waited for.
          if (!hasCode(failure, 'EIO') || context.clock.monotonicMs() >= giveUpAtMs) throw failure;
          await context.clock.sleep(PAUSE_MS);
          now = await this.#owner.allocate(this.#index);
          survivors = [];
        }
      }
    } catch (failure) {
      if (hasCode(failure, 'ESTALE', 'ENOENT')) this.#owner.failed(failure);
      throw failure;
    }
  }

  /**
   * Too few are left: those that were only silent may be back in a moment. They have all that was acknowledged, since nothing was without them.
   * Adds to `survivors`; false: still too few.
   */
  async #awaitOthers(place: RandomPlace, survivors: string[]): Promise<boolean> {
    const { context, minReplicas, patienceMs } = this.#owner;
    const giveUpAtMs = context.clock.monotonicMs() + patienceMs;
    for (;;) {
      // Where they answer now.
      const now = await this.#owner.allocate(this.#index);
      for (const { node, address } of now.replicas) {
        if (survivors.includes(node) || address === undefined || this.#accused.get(node)?.guilty) continue;
        if (await this.#isSound(now, node, address)) survivors.push(node);
      }
      if (survivors.length >= Math.max(1, minReplicas)) return true;
      if (context.clock.monotonicMs() >= giveUpAtMs) return false;
      await context.clock.sleep(PAUSE_MS);
      if (now.version === place.version) continue;
      // Somebody else changed it: the master says what holds, whoever is named.
      if (survivors.length === 0) survivors.push(...now.replicas.map(({ node }) => node));
      return true;
    }
  }

  async #isSound({ chunk, version, ticket }: RandomPlace, node: string, address: string): Promise<boolean> {
    try {
      const { boot } = await this.#owner.context
        .chunkServerAt(address)
        .randomSync({ node, chunk, version, ticket }, { timeoutMs: PROBE_TIMEOUT_MS });
      const before = this.#unsynced.get(node);
      return before === undefined || before === boot;
    } catch (error) {
      if (hasCode(error, ...GUILTY_CODES)) this.#accused.set(node, { guilty: true });
      return hasCode(error, 'StaleVersion');
    }
  }

  #lost(error: unknown): PanguError {
    const { path, file } = this.#owner;
    const chunk = this.#place?.chunk;
    return new PanguError('EIO', `${path}: too few replicas of chunk ${chunk} take what is written: ${messageOf(error)}`, {
      cause: error,
      details: { chunk, file },
    });
  }
}
