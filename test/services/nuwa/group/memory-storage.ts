import type { NuwaEvent } from '../../../../services/nuwa/contract.ts';
import { decodeBatch } from '../../../../services/nuwa/core/member/batch.ts';
import type { DiskWrite, Entry, GroupConfig, HardState, RaftStored, SnapshotMark } from '../../../../services/nuwa/core/raft/types.ts';
import { applyBatch } from '../../../../services/nuwa/core/tree/apply.ts';
import { restoreSnapshot, type Snapshot, takeSnapshot } from '../../../../services/nuwa/core/tree/snapshot.ts';
import { newState } from '../../../../services/nuwa/core/tree/state.ts';
import { Birth } from '../../../../services/nuwa/log/birth.ts';
import { decode, encode } from '../../../../services/nuwa/log/codec.ts';
import type { LoadedSnapshot, Storage } from '../../../../services/nuwa/log/port.ts';

interface Stored {
  mark: SnapshotMark;
  tree: Snapshot;
  events: NuwaEvent[];
}

/** A server's files in memory: writes are as slow as a test says, and fail when it says. Opened again, it has what it had. */
export class MemoryStorage implements Storage {
  readonly birth: Birth;
  logBytes = 0;
  logBytesMax = Number.POSITIVE_INFINITY;
  /** Awaited by each write, before it is done. */
  beforeWrite: () => Promise<void> = async () => {};
  writes = 0;
  installed = 0;
  hardState: HardState = { term: 0, vote: undefined };
  /** Those after the snapshot. */
  entries: Entry[] = [];
  #snapshot: Buffer;
  #mark: SnapshotMark;
  #writing = false;
  #failure: Error | undefined;

  constructor(config: GroupConfig) {
    this.birth = new Birth({ id: 'memory', mayVote: config.members.length > 0, births: {} }, async () => {});
    this.#mark = { index: 0, term: 0, config };
    this.#snapshot = encode({ mark: this.#mark, tree: takeSnapshot(newState()), events: [] } satisfies Stored);
  }

  fail(error: Error): void {
    this.#failure = error;
  }

  get stored(): RaftStored {
    return { hardState: this.hardState, snapshot: this.#mark, entries: [...this.entries] };
  }

  get wantsSnapshot(): boolean {
    return this.logBytes > this.logBytesMax;
  }

  takeLoaded(): LoadedSnapshot {
    const { mark, tree, events } = decode(this.#snapshot) as Stored;
    return { mark, state: restoreSnapshot(tree), events };
  }

  async write(writes: readonly DiskWrite[]): Promise<void> {
    if (this.#writing) throw new Error('two writes at once');
    this.#writing = true;
    await this.beforeWrite();
    this.#writing = false;
    if (this.#failure) throw this.#failure;
    this.writes++;
    for (const { hardState, entries } of writes) {
      if (hardState) this.hardState = hardState;
      if (entries.length === 0) continue;
      const kept = entries[0]!.index - this.#mark.index - 1;
      if (kept < 0 || kept > this.entries.length)
        throw new Error(`entry ${entries[0]!.index} after ${this.#mark.index + this.entries.length}`);
      this.entries.length = kept;
      this.entries.push(...entries);
      for (const { data } of entries) this.logBytes += data.length;
    }
  }

  async makeSnapshot(index: number): Promise<SnapshotMark> {
    const { state, events } = this.takeLoaded();
    const { entries } = this;
    let { term, config } = this.#mark;
    for (const entry of entries.filter((each) => each.index <= index)) {
      const commands = entry.kind === 'commands' ? decodeBatch(entry.data).commands : [];
      for (const applied of applyBatch(state, commands, { index: entry.index, nowMs: entry.timeMs })) events.push(...applied.events);
      ({ term } = entry);
      config = entry.config ?? config;
    }
    this.#mark = { index, term, config };
    this.#snapshot = encode({ mark: this.#mark, tree: takeSnapshot(state), events: events.slice(-100) } satisfies Stored);
    this.entries = entries.filter((each) => each.index > index);
    this.logBytes = 0;
    return this.#mark;
  }

  newestSnapshot(): { index: number; term: number; bytes: number } {
    const { index, term } = this.#mark;
    return { index, term, bytes: index === 0 ? 0 : this.#snapshot.length };
  }

  async readSnapshot(index: number, offset: number, bytes: number): Promise<Buffer | undefined> {
    return index === this.#mark.index ? this.#snapshot.subarray(offset, offset + bytes) : undefined;
  }

  async installSnapshot(
    index: number,
    bytes: number,
    read: (offset: number, bytes: number) => Promise<Uint8Array>,
  ): Promise<LoadedSnapshot> {
    const pieces: Uint8Array[] = [];
    for (let offset = 0; offset < bytes; offset += pieces.at(-1)!.length)
      pieces.push(await read(offset, Math.min(1_000_000, bytes - offset)));
    if (this.#writing) throw new Error('a write while a snapshot takes the place of the log');
    this.#snapshot = Buffer.concat(pieces);
    this.#mark = (decode(this.#snapshot) as Stored).mark;
    if (this.#mark.index !== index) throw new Error(`a snapshot of ${this.#mark.index} for one of ${index}`);
    this.entries = [];
    this.installed++;
    return this.takeLoaded();
  }

  async close(): Promise<void> {}
}
