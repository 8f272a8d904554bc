import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type NuwaFiles, restoreServer } from '../../infra/cli/ui/nuwa-restore.ts';
import type { GroupConfig, RaftStored, SnapshotMark } from '../../services/nuwa/core/raft/types.ts';
import { restoreSnapshot, type Snapshot, takeSnapshot } from '../../services/nuwa/core/tree/snapshot.ts';
import { decode, encode } from '../../services/nuwa/log/codec.ts';
import type { LoadedSnapshot } from '../../services/nuwa/log/port.ts';
import { MemoryStorage } from '../services/nuwa/group/memory-storage.ts';
import { Harness, leaderOf } from '../services/nuwa/harness.ts';

/** Files in memory that take over a snapshot: what the port promises, and nothing of how it is kept. */
class RestoredStorage extends MemoryStorage {
  #loaded: LoadedSnapshot | undefined;

  override get stored(): RaftStored {
    return { ...super.stored, ...(this.#loaded ? { snapshot: this.#loaded.mark } : {}) };
  }

  override takeLoaded(): LoadedSnapshot {
    return this.#loaded ?? super.takeLoaded();
  }

  override async write(writes: Parameters<MemoryStorage['write']>[0]): Promise<void> {
    for (const { hardState, entries } of writes) {
      if (hardState) this.hardState = hardState;
      if (entries.length === 0) continue;
      this.entries.length = entries[0]!.index - 1 - this.stored.snapshot.index;
      this.entries.push(...entries);
    }
  }

  override async installSnapshot(
    index: number,
    bytes: number,
    read: (offset: number, bytes: number) => Promise<Uint8Array>,
  ): Promise<never> {
    const pieces: Uint8Array[] = [];
    for (let offset = 0; offset < bytes; ) {
      const piece = await read(offset, 100);
      if (piece.length === 0) throw new Error('it ends early');
      pieces.push(piece);
      offset += piece.length;
    }
    const { mark, tree } = decode(Buffer.concat(pieces)) as { mark: SnapshotMark; tree: Snapshot };
    if (mark.index !== index) throw new Error('it is another one');
    this.#loaded = { mark, state: restoreSnapshot(tree), events: [] };
    return this.#loaded as never;
  }
}

describe('a group that is restored', () => {
  const harness = new Harness();
  const storages = new Map<string, RestoredStorage>();
  let dir: string;
  let file: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'feitian-test-restore-'));
    file = join(dir, 'backup');
  });
  afterEach(async () => {
    await harness.close();
    await rm(dir, { recursive: true });
  });

  const files: NuwaFiles = {
    openStorage: async ({ dir: place, initialConfig }) => {
      const known = storages.get(place) ?? new RestoredStorage(initialConfig);
      storages.set(place, known);
      return known;
    },
    snapshotMark: async (path) => (decode(await readFile(path)) as { mark: SnapshotMark }).mark,
  };
  const bar = { added: 0, add: (bytes: number) => void (bar.added += bytes), stop: () => {} };

  /** What a group of one, long gone, held. */
  async function backUp(): Promise<{ mark: SnapshotMark; revision: number }> {
    const server = await harness.server();
    const client = await harness.client(server.address);
    await client.create('/kept/here', Buffer.from('this'), { parents: true });
    await client.create('/alive', Buffer.alloc(0), { ephemeral: true });
    const { state } = server.group;
    const config: GroupConfig = { members: [{ id: 'old', address: 'tcp://127.0.0.1:1', role: 'voter' }] };
    const mark = { index: state.index, term: 7, config };
    await writeFile(file, encode({ mark, tree: takeSnapshot(state) }));
    return { mark, revision: state.revision };
  }

  test('has new members, and all that the snapshot held', async () => {
    const { mark, revision } = await backUp();
    const places = await harness.places(3);
    for (const { id } of places) {
      const restored = await restoreServer(files, { file, dir: join(dir, id), members: places.toReversed() }, () => bar);
      expect(restored).toEqual({ index: mark.index, term: 7, revision, nodes: 3, sessions: 1 });
    }
    expect(bar.added).toBe(3 * (await readFile(file)).length);
    const logs = places.map(({ id }) => storages.get(join(dir, id))!.stored);
    for (const log of logs) {
      expect(log).toEqual(logs[0]);
      expect(log.hardState).toEqual({ term: 7, vote: undefined });
      expect(log.entries).toMatchObject([{ index: mark.index + 1, term: 7, kind: 'config' }]);
    }

    const servers = await Promise.all(
      places.map(({ id }) => harness.member(id, places, { open: async () => storages.get(join(dir, id))! })),
    );
    const leader = await leaderOf(servers);
    expect(leader.group.config.members.map(({ id, address }) => ({ id, address }))).toEqual(places);
    expect(leader.group.status().term).toBeGreaterThan(7);
    const client = await harness.client(places.map(({ address }) => address));
    expect(Buffer.from((await client.get('/kept/here')).value).toString()).toBe('this');
    expect((await client.set('/kept/here', Buffer.from('that'))).revision).toBe(revision + 1);
  });

  test('is never made where something is', async () => {
    await backUp();
    await writeFile(join(dir, 'other'), '');
    await expect(restoreServer(files, { file, dir, members: [] }, () => bar)).rejects.toThrow(/is not empty: a group is restored into/);
    expect((await readdir(dir)).sort()).toEqual(['backup', 'other']);
  });

  test('leaves nothing behind when its file is damaged', async () => {
    await writeFile(file, encode({ mark: { index: 9, term: 1 }, tree: {} }));
    const place = join(dir, 'server');
    await expect(restoreServer(files, { file, dir: place, members: [] }, () => bar)).rejects.toThrow(/backup could not be restored: /);
    expect(await readdir(dir)).toEqual(['backup']);
  });
});
