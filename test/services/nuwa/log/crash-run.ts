import { ManualClock } from '../../../../services/base/clock.ts';
import { silentLogger } from '../../../../services/base/log.ts';
import { encodeBatch } from '../../../../services/nuwa/core/member/batch.ts';
import type { Entry, GroupConfig, HardState } from '../../../../services/nuwa/core/raft/types.ts';
import type { Command } from '../../../../services/nuwa/core/tree/command.ts';
import { nodeAt } from '../../../../services/nuwa/core/tree/state.ts';
import type { StorageHost } from '../../../../services/nuwa/log/host.ts';
import type { Storage, StorageOptions } from '../../../../services/nuwa/log/port.ts';
import { openStorage } from '../../../../services/nuwa/log/storage.ts';
import { makeSnapshotFile } from '../../../../services/nuwa/snapshotter/make.ts';
import type { MemoryFiles } from './memory-files.ts';

export const DIR = '/data/nuwa';
export const CONFIG: GroupConfig = { members: [{ id: 'n1', address: 'tcp://a', role: 'voter' }] };

/** Over files in memory; snapshots are made by the same code, in this process. */
export const hostOf = (files: MemoryFiles): StorageHost => ({
  files,
  lock: async () => async () => {},
  makeSnapshot: async (order) => {
    files.by = ' by the snapshotter';
    try {
      return await makeSnapshotFile(order, files);
    } catch (error) {
      for (const name of [order.to, `${order.to}.tmp`]) await files.remove(`${order.dir}/${name}`).catch(() => {});
      throw error;
    } finally {
      files.by = '';
    }
  },
});

export function openOn(files: MemoryFiles, options: Partial<StorageOptions> = {}): Promise<Storage> {
  return openStorage({ dir: DIR, initialConfig: CONFIG, aheadBytes: 512, ...options }, silentLogger, new ManualClock(), hostOf(files));
}

/** An entry that makes one node, named after its index, that holds its term. */
export function entryOf(index: number, term: number): Entry {
  const command: Command =
    index === 1
      ? { kind: 'openSession', session: 's', ttlMs: 5_000, creator: 'test' }
      : { kind: 'create', path: `/n-${index}`, value: Buffer.from(`${term}`), session: 's', request: index, settled: index };
  return { index, term, kind: 'commands', timeMs: 1_000 + index, data: encodeBatch({ origin: 'n1#1', firstId: 1, commands: [command] }) };
}

/** What a server may find: a term, a vote, and the terms of its entries from the first one on. */
export interface Known {
  hardState: HardState;
  terms: number[];
}

/**
 * What a server was told of its files, and so may rely on: after a crash they hold all of it, and of the one write that was under way either all or nothing.
 */
export class Ledger {
  acknowledged: Known = { hardState: { term: 0, vote: undefined }, terms: [] };
  underWay: Known | undefined;
  #seq = 0;

  async write(storage: Storage, entries: Entry[], hardState?: HardState): Promise<void> {
    const { terms } = this.acknowledged;
    const first = entries[0]?.index ?? terms.length + 1;
    this.underWay = {
      hardState: hardState ?? this.acknowledged.hardState,
      terms: [...terms.slice(0, first - 1), ...entries.map(({ term }) => term)],
    };
    await storage.write([{ seq: ++this.#seq, entries, ...(hardState ? { hardState } : {}) }]);
    this.acknowledged = this.underWay;
    this.underWay = undefined;
  }

  /** Another server's snapshot in the place of all: of entries that were made in one term, but for the first. */
  async install(storage: Storage, index: number, term: number, file: Buffer): Promise<void> {
    this.underWay = { ...this.acknowledged, terms: Array.from({ length: index }, (_, i) => (i === 0 ? 1 : term)) };
    await storage.installSnapshot(index, file.length, async (offset, bytes) => file.subarray(offset, offset + Math.min(bytes, 100)));
    this.acknowledged = this.underWay;
    this.underWay = undefined;
  }

  /** Takes over which of the two it was. Throws where it is neither. */
  check(storage: Storage): void {
    const found = foundIn(storage);
    const allowed = [this.acknowledged, this.underWay].filter((each) => each !== undefined);
    const which = allowed.find((each) => JSON.stringify(each) === JSON.stringify(found));
    if (!which) throw new Error(`${JSON.stringify(found)} is none of ${JSON.stringify(allowed)}`);
    this.acknowledged = which;
    this.underWay = undefined;
  }
}

function foundIn(storage: Storage): Known {
  const { hardState, snapshot, entries } = storage.stored;
  const { state } = storage.takeLoaded();
  const terms: number[] = [];
  for (let index = 1; index <= snapshot.index; index++) {
    const node = nodeAt(state, `/n-${index}`);
    // The first entry makes a session, in which its term is not seen: it is 1 in all of these.
    terms.push(index === 1 ? 1 : Number(Buffer.from(node!.value).toString()));
  }
  for (const { index, term, timeMs } of entries) {
    if (index !== terms.length + 1 || timeMs !== 1_000 + index) throw new Error(`entry ${index} follows ${terms.length}`);
    terms.push(term);
  }
  return { hardState: { term: hardState.term, vote: hardState.vote }, terms };
}
