import type { NuwaEvent } from '../contract.ts';
import type { DiskWrite, GroupConfig, RaftStored, SnapshotMark } from '../core/raft/types.ts';
import type { TreeState } from '../core/tree/state.ts';
import type { Birth } from './birth.ts';

/** A snapshot as it is in memory once loaded. `events`: the newest before it, so that watchers resume across it. */
export interface LoadedSnapshot {
  mark: SnapshotMark;
  state: TreeState;
  events: NuwaEvent[];
}

/**
 * A server's files: log segments, which also hold the hard state, and snapshots.
 *
 * A failed write of the log is final, and so is a failed sync of anything here: nobody knows what the disk holds then (the kernel may drop the pages
 * and report the error once), so the storage takes nothing more and a restart reads what is really there. Nothing is written over what an error left.
 */
export interface Storage {
  /** Which making of this server's files they are. */
  readonly birth: Birth;
  readonly stored: RaftStored;
  /** What the newest snapshot holds; an empty tree where there is none. Given away once: whoever takes it changes it. */
  takeLoaded(): LoadedSnapshot;
  /** Resolves when all of it is on the disk, in order, by one sync. One call at a time; a rejection is final. */
  write(writes: readonly DiskWrite[]): Promise<void>;
  /** Bytes of log that came since the newest snapshot. */
  readonly logBytes: number;
  /** True when `logBytes` is past its bound: time for `makeSnapshot`. */
  readonly wantsSnapshot: boolean;
  /**
   * Makes a snapshot of all entries up to `index` (applied here), out of the newest snapshot and the log, in a process of its own with low
   * priority, while writes go on; then removes what it stands for. Resolves with its mark. Rejections leave all as it was.
   */
  makeSnapshot(index: number): Promise<SnapshotMark>;
  /** The newest snapshot on disk, for others to read; while somebody does, kept for a minute after a newer one came. Index 0: none. */
  newestSnapshot(): { index: number; term: number; bytes: number };
  /** Undefined when that snapshot is gone. */
  readSnapshot(index: number, offset: number, bytes: number): Promise<Buffer | undefined>;
  /** Takes over another server's snapshot file: aside first, checked whole, then in place of log and snapshot. `read` gives its pieces. */
  installSnapshot(index: number, bytes: number, read: (offset: number, bytes: number) => Promise<Uint8Array>): Promise<LoadedSnapshot>;
  close(): Promise<void>;
}

export interface StorageOptions {
  dir: string;
  /** The group's first configuration, for a server that has none in its files. */
  initialConfig: GroupConfig;
  /** A segment of the log ends when it is as long as this, whatever becomes of snapshots. @default 64 MiB */
  segmentBytesMax?: number;
  /** The open segment has so many zeros ahead of its end. @default 2 MiB */
  aheadBytes?: number;
  /** Also files of a restore that has not come to its end. @default false: they are refused */
  restoring?: boolean;
  /** A snapshot is wanted when the log since the last one passes this, or that snapshot's own size if it is larger. @default 32 MiB */
  logBytesMax?: number;
}
