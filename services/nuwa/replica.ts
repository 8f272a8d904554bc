import { assertInvariant } from '../base/assert.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { NuwaError, type NuwaEvent } from './contract.ts';
import { apply } from './core/tree/apply.ts';
import type { Command, Done } from './core/tree/command.ts';
import { EventRing, type RingBounds } from './core/tree/event-ring.ts';
import { restoreSnapshot, takeSnapshot } from './core/tree/snapshot.ts';
import { newState, type TreeNode, type TreeState } from './core/tree/state.ts';
import type { CommandLog } from './log/command-log.ts';
import { lockDirectory } from './log/directory-lock.ts';
import { assertRoom, makeDir } from './log/files.ts';
import { openLog } from './log/open-log.ts';
import { snapshotBytes, writeSnapshot } from './log/snapshot-file.ts';

/**
 * One server's tree with the log that keeps it. A command is written, synced, applied, answered, in that order; so whatever
 * anybody was told or can read is on the disk.
 *
 * Group commit: while the disk syncs one batch, commands gather for the next. And while the disk syncs the next, the one
 * before is applied, so that disk and processor work at the same time.
 *
 * Failure: when the log cannot be written the replica turns unwritable for good. It serves reads of what was applied.
 */
export interface ReplicaOptions {
  dir: string;
  log: Logger;
  clock?: Clock;
  /** The log is replaced by a snapshot when its open segment passes this. @default 32 MiB */
  logBytesMax?: number;
  ring?: RingBounds;
}

/** 32 MiB replay in about a second, and a snapshot of a small tree every 32 MiB costs little beside writing them. */
const LOG_BYTES_MAX = 32 * 1024 * 1024;
/** What a watcher may miss and still resume: some minutes of heavy writing. */
const RING_BOUNDS: RingBounds = { eventsMax: 65_536, bytesMax: 64 * 1024 * 1024 };
/** Events are kept beside a snapshot up to this share of a log's size: watchers that lag behind by less resume after a restart. */
const SNAPSHOT_EVENTS_SHARE = 0.25;
/** A batch ends at the first command past this: larger ones would only make the first in it wait. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
const BATCH_COMMANDS_MAX = 1_024;

interface Submission {
  nowMs: number;
  /** On the monotonic clock. */
  submittedMs: number;
  command: Command;
  resolve(done: Done): void;
  reject(error: Error): void;
}

export class Replica {
  readonly #options: Required<ReplicaOptions>;
  #state: TreeState = newState();
  #ring: EventRing;
  #log!: CommandLog;
  #unlock: () => Promise<void> = async () => {};
  #queue: Submission[] = [];
  #pumping: Promise<void> | undefined;
  #snapshotting: Promise<void> | undefined;
  #snapshots: number[] = [];
  #compactAtBytes: number;
  #unwritable: Error | undefined;
  #closed = false;
  /** Told of the events of each batch, after all of it was applied. */
  onEvents: (events: readonly NuwaEvent[]) => void = () => {};
  /** Told how long each command took to get on the disk. */
  onCommitted: (tookMs: number) => void = () => {};
  #nodes = 0;

  static async open(options: ReplicaOptions): Promise<Replica> {
    const replica = new Replica(options);
    await replica.#open();
    return replica;
  }

  private constructor(options: ReplicaOptions) {
    this.#options = { clock: systemClock, logBytesMax: LOG_BYTES_MAX, ring: RING_BOUNDS, ...options };
    this.#ring = new EventRing(this.#options.ring);
    this.#compactAtBytes = this.#options.logBytesMax;
  }

  /** For reading only. */
  get state(): TreeState {
    return this.#state;
  }

  get events(): EventRing {
    return this.#ring;
  }

  get unwritable(): boolean {
    return this.#unwritable !== undefined;
  }

  /** Nodes of the tree, its root not counted. */
  get nodes(): number {
    return this.#nodes;
  }

  /** Bytes of the log's open segment, which is what came since the last snapshot. */
  get logBytes(): number {
    return this.#log.segmentBytes;
  }

  /** Resolves when the command is on the disk and applied. Errors: what the tree refuses, and Unwritable. */
  submit(command: Command): Promise<Done> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new NuwaError('Unwritable', 'the server is closing'));
      if (this.#unwritable) return reject(this.#refusal());
      const { clock } = this.#options;
      this.#queue.push({ nowMs: clock.nowMs(), submittedMs: clock.monotonicMs(), command, resolve, reject });
      this.#pumping ??= this.#startPump();
    });
  }

  /** Resolves when all that was submitted is answered and the files are closed. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    while (this.#pumping) await this.#pumping;
    await this.#snapshotting;
    await this.#log.close();
    await this.#unlock();
  }

  async #open(): Promise<void> {
    const { dir, log, ring, clock } = this.#options;
    const startMs = clock.monotonicMs();
    await makeDir(dir);
    this.#unlock = await lockDirectory(dir);
    try {
      this.#log = await openLog(
        dir,
        {
          snapshot: ({ snapshot, events }) => {
            this.#state = restoreSnapshot(snapshot);
            this.#snapshots = [snapshot.index];
            this.#ring = new EventRing(ring, snapshot.revision - events.length);
            for (const event of events) this.#ring.push(event);
          },
          command: (command, at) => {
            for (const event of apply(this.#state, command, at).events) this.#ring.push(event);
          },
        },
        log,
      );
    } catch (error) {
      await this.#unlock();
      throw error;
    }
    this.#nodes = countNodes(this.#state.root);
    const { index, revision, sessions } = this.#state;
    const tookMs = Math.round(clock.monotonicMs() - startMs);
    log.info({ dir, index, revision, sessions: sessions.size, tookMs }, 'nuwa.log.opened');
  }

  #startPump(): Promise<void> {
    // After this turn of the event loop: what arrived together with the first command goes with it.
    return new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#pump())
      .finally(() => {
        // Who was just answered may have submitted the next command already.
        this.#pumping = this.#queue.length > 0 ? this.#startPump() : undefined;
      });
  }

  async #pump(): Promise<void> {
    let written: Submission[] = [];
    while (this.#queue.length > 0) {
      if (this.#log.segmentBytes >= this.#compactAtBytes && !this.#snapshotting) {
        this.#applyBatch(written);
        written = [];
        await this.#beginSnapshot();
      }
      const batch = this.#takeBatch();
      const writing = this.#log.append(batch);
      this.#applyBatch(written);
      written = [];
      try {
        await writing;
      } catch (error) {
        return this.#becomeUnwritable(batch, error);
      }
      const nowMs = this.#options.clock.monotonicMs();
      for (const { submittedMs } of batch) this.onCommitted(nowMs - submittedMs);
      written = batch;
    }
    this.#applyBatch(written);
  }

  #takeBatch(): Submission[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && count < BATCH_COMMANDS_MAX && bytes < BATCH_BYTES_MAX) {
      const { command } = this.#queue[count++]!;
      if ('value' in command) bytes += command.value.length;
    }
    return this.#queue.splice(0, count);
  }

  #applyBatch(batch: readonly Submission[]): void {
    const events: NuwaEvent[] = [];
    for (const { command, nowMs, resolve, reject } of batch) {
      const applied = apply(this.#state, command, { index: this.#state.index + 1, nowMs });
      for (const event of applied.events) {
        this.#ring.push(event);
        events.push(event);
        if (event.kind !== 'changed') this.#nodes += event.kind === 'created' ? 1 : -1;
      }
      if (applied.reply.kind === 'done') resolve(applied.reply);
      else reject(new NuwaError(applied.reply.code, applied.reply.reason, { details: { revision: this.#state.revision } }));
    }
    if (events.length > 0) this.onEvents(events);
  }

  /**
   * A new segment begins where the snapshot ends. The rows of the snapshot are taken now, in one turn; they are encoded and
   * written while commands go on.
   */
  async #beginSnapshot(): Promise<void> {
    const { dir, log, logBytesMax } = this.#options;
    assertInvariant(this.#state.index === this.#log.lastIndex, 'a snapshot has all that the log has');
    const stored = { snapshot: takeSnapshot(this.#state), events: this.#ring.newest(logBytesMax * SNAPSHOT_EVENTS_SHARE) };
    const { index } = stored.snapshot;
    try {
      // A snapshot that fills the disk would take the log its room, and writes are worth more than a short log.
      await assertRoom(dir, snapshotBytes(stored) + logBytesMax);
      await this.#log.rotate();
    } catch (error) {
      this.#compactAtBytes = this.#log.segmentBytes + logBytesMax;
      return log.error({ err: error, index }, 'nuwa.snapshot.failed');
    }
    this.#compactAtBytes = logBytesMax;
    this.#snapshotting = writeSnapshot(dir, stored)
      .then(() => this.#log.compact(index, this.#snapshots))
      .then(() => {
        this.#snapshots = [index];
        log.info({ index, nodes: stored.snapshot.nodes.length }, 'nuwa.snapshot.written');
      })
      // The segments before it stay, so nothing is lost; the next one is tried when the new segment is full.
      .catch((error: unknown) => log.error({ err: error, index }, 'nuwa.snapshot.failed'))
      .finally(() => {
        this.#snapshotting = undefined;
      });
  }

  #becomeUnwritable(batch: readonly Submission[], error: unknown): void {
    this.#unwritable = error instanceof Error ? error : new Error(messageOf(error));
    this.#options.log.fatal({ err: error, dir: this.#options.dir, lastIndex: this.#log.lastIndex }, 'nuwa.log.unwritable');
    for (const { reject } of [...batch, ...this.#queue]) reject(this.#refusal());
    this.#queue = [];
  }

  #refusal(): NuwaError {
    return new NuwaError('Unwritable', `the log cannot be written: ${messageOf(this.#unwritable)}`, { cause: this.#unwritable });
  }
}

function countNodes(node: TreeNode): number {
  let nodes = 0;
  for (const child of node.children?.values() ?? []) nodes += 1 + countNodes(child);
  return nodes;
}
