import type { Logger } from '../../base/log.ts';
import type { SnapshotMark } from '../core/raft/types.ts';
import { runSnapshotter, type SnapshotOrder } from '../snapshotter/run.ts';
import { lockDirectory } from './directory-lock.ts';
import { type FileSystem, nodeFiles } from './file-system.ts';

/** What a storage stands on. */
export interface StorageHost {
  files: FileSystem;
  /** Takes the directory for this process. @returns how to give it back. */
  lock(dir: string): Promise<() => Promise<void>>;
  /** Makes the file that is ordered; rejects with nothing left of it. */
  makeSnapshot(order: SnapshotOrder & { log: Logger; signal: AbortSignal }): Promise<SnapshotMark>;
}

export const nodeHost: StorageHost = { files: nodeFiles, lock: lockDirectory, makeSnapshot: runSnapshotter };
