import type { Random } from '../../../services/base/random.ts';
import type { NuwaEvent } from '../../../services/nuwa/contract.ts';
import type { DiskWrite, Entry, GroupConfig, HardState, SnapshotMark } from '../../../services/nuwa/core/raft/types.ts';
import { type Snapshot, takeSnapshot } from '../../../services/nuwa/core/tree/snapshot.ts';
import { newState } from '../../../services/nuwa/core/tree/state.ts';

export interface StoredSnapshot {
  mark: SnapshotMark;
  tree: Snapshot;
  events: readonly NuwaEvent[];
}

/**
 * What a server's disk holds. Writes go to it in their order, several by one sync; a crash during a sync leaves any prefix of them, torn
 * within a write too, and nothing of those that had not begun. What was confirmed stays.
 */
export class SimDisk {
  hardState: HardState = { term: 0, vote: undefined };
  snapshot: StoredSnapshot;
  entries: Entry[] = [];
  #waiting: DiskWrite[] = [];
  #syncing: DiskWrite[] = [];

  constructor(config: GroupConfig) {
    this.snapshot = { mark: { index: 0, term: 0, config }, tree: takeSnapshot(newState()), events: [] };
  }

  /** The last index that is surely on it. */
  get lastIndex(): number {
    return this.entries.at(-1)?.index ?? this.snapshot.mark.index;
  }

  get idle(): boolean {
    return this.#syncing.length === 0;
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  submit(write: DiskWrite): void {
    this.#waiting.push(write);
  }

  beginSync(): void {
    this.#syncing = this.#waiting;
    this.#waiting = [];
  }

  /** @returns the last write that is on the disk now. */
  endSync(): number {
    const seq = this.#syncing.at(-1)!.seq;
    for (const write of this.#syncing) this.#keep(write);
    this.#syncing = [];
    return seq;
  }

  crash(random: Random): void {
    const kept = random.int(this.#syncing.length + 1);
    for (const write of this.#syncing.slice(0, kept)) this.#keep(write);
    const torn = this.#syncing[kept];
    if (torn && random.int(2) === 0) this.#keep({ ...torn, entries: torn.entries.slice(0, random.int(torn.entries.length + 1)) });
    this.#syncing = [];
    this.#waiting = [];
  }

  /** Loses what it was told and not asked to sync: for disks that fail for good. */
  replaceBy(snapshot: StoredSnapshot): void {
    this.snapshot = snapshot;
    this.entries = [];
  }

  compactTo(snapshot: StoredSnapshot): void {
    if (snapshot.mark.index <= this.snapshot.mark.index) return;
    this.snapshot = snapshot;
    this.entries = this.entries.filter(({ index }) => index > snapshot.mark.index);
  }

  /** The term of the entry at this index, if it is on the disk; compacted ones count as there. */
  termAt(index: number): number | undefined {
    const { mark } = this.snapshot;
    if (index === mark.index) return mark.term;
    return this.entries[index - mark.index - 1]?.term;
  }

  #keep({ hardState, entries }: DiskWrite): void {
    if (hardState) this.hardState = hardState;
    const first = entries[0];
    if (!first) return;
    const { index } = this.snapshot.mark;
    if (first.index > this.lastIndex + 1) throw new Error(`entry ${first.index} is written after ${this.lastIndex}`);
    // Entries that a snapshot made meanwhile stands for already are not kept twice.
    this.entries.length = Math.max(0, Math.min(this.entries.length, first.index - index - 1));
    for (const entry of entries) if (entry.index > index) this.entries.push(entry);
  }
}
