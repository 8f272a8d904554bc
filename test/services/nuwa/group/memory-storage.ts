import type { DiskWrite, Entry, GroupConfig, HardState, RaftStored } from '../../../../services/nuwa/core/raft/types.ts';
import { restoreSnapshot, type Snapshot, takeSnapshot } from '../../../../services/nuwa/core/tree/snapshot.ts';
import { newState } from '../../../../services/nuwa/core/tree/state.ts';
import type { LoadedSnapshot, Storage } from '../../../../services/nuwa/log/port.ts';

/** A server's files in memory: writes are as slow as a test says, and fail when it says. */
export class MemoryStorage implements Storage {
  logBytes = 0;
  wantsSnapshot = false;
  /** Awaited by each write, before it is done. */
  beforeWrite: () => Promise<void> = async () => {};
  writes = 0;
  hardState: HardState = { term: 0, vote: undefined };
  entries: Entry[] = [];
  readonly #config: GroupConfig;
  #failure: Error | undefined;

  constructor(config: GroupConfig) {
    this.#config = config;
  }

  get stored(): RaftStored {
    return { hardState: this.hardState, snapshot: { index: 0, term: 0, config: this.#config }, entries: [...this.entries] };
  }

  fail(error: Error): void {
    this.#failure = error;
  }

  takeLoaded(): LoadedSnapshot {
    const tree: Snapshot = takeSnapshot(newState());
    return { mark: this.stored.snapshot, state: restoreSnapshot(tree), events: [] };
  }

  async write(writes: readonly DiskWrite[]): Promise<void> {
    await this.beforeWrite();
    if (this.#failure) throw this.#failure;
    this.writes++;
    for (const { hardState, entries } of writes) {
      if (hardState) this.hardState = hardState;
      if (entries.length === 0) continue;
      this.entries.length = entries[0]!.index - 1;
      this.entries.push(...entries);
      for (const { data } of entries) this.logBytes += data.length;
    }
  }

  async makeSnapshot(): Promise<never> {
    throw new Error('no snapshots in memory');
  }

  newestSnapshot(): { index: number; term: number; bytes: number } {
    return { index: 0, term: 0, bytes: 0 };
  }

  async readSnapshot(): Promise<undefined> {
    return undefined;
  }

  async installSnapshot(): Promise<never> {
    throw new Error('no snapshots in memory');
  }

  async close(): Promise<void> {}
}
