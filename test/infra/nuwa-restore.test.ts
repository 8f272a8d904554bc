import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { restoreServer } from '../../infra/cli/ui/nuwa-restore.ts';
import { silentLogger } from '../../services/base/log.ts';
import type { GroupConfig, SnapshotMark } from '../../services/nuwa/core/raft/types.ts';
import { restoreFiles } from '../../services/nuwa/log/restore.ts';
import { snapshotMark, writeSnapshot } from '../../services/nuwa/log/snapshot-file.ts';
import { openStorage } from '../../services/nuwa/log/storage.ts';
import { Harness, leaderOf } from '../services/nuwa/harness.ts';

describe('a group that is restored', () => {
  let harness: Harness;
  let dir: string;
  let file: string;
  beforeEach(async () => {
    harness = new Harness();
    dir = await mkdtemp(join(tmpdir(), 'feitian-test-restore-'));
    file = join(dir, 'backup');
  });
  afterEach(async () => {
    await harness.close();
    await rm(dir, { recursive: true });
  });

  const files = { restoreFiles, snapshotMark };
  const bar = { added: 0, add: (bytes: number) => void (bar.added += bytes), stop: () => {} };

  /** What a group of one, long gone and in its seventh term, held. */
  async function backUp(): Promise<{ mark: SnapshotMark; revision: number }> {
    const old = await harness.server();
    const client = await harness.client(old.address);
    await client.create('/kept/here', Buffer.from('this'), { parents: true });
    await client.create('/alive', Buffer.alloc(0), { ephemeral: true });
    const { state } = old.group;
    const config: GroupConfig = { members: [{ id: 'old', address: 'tcp://127.0.0.1:1', role: 'voter' }] };
    const mark = { index: state.index, term: 7, config };
    await writeSnapshot(dir, 'backup', { mark, state, events: [] });
    return { mark, revision: state.revision };
  }

  test('has new members, and all that the snapshot held', async () => {
    const { mark, revision } = await backUp();
    const places = await harness.places(3);
    bar.added = 0;
    for (const { id } of places) {
      // In whatever order they are named.
      const restoring = { file, dir: join(harness.dir, id), members: places.toReversed() };
      const restored = await restoreServer(files, restoring, () => bar);
      expect(restored).toEqual({ index: mark.index, term: 7, revision, nodes: 3, sessions: 1 });
    }
    expect(bar.added).toBe(3 * (await stat(file)).size);
    const members = places.map((place) => ({ ...place, role: 'voter' }));
    for (const { id } of places) {
      const storage = await openStorage({ dir: join(harness.dir, id), initialConfig: { members: [] } }, silentLogger);
      const { hardState, snapshot, entries } = storage.stored;
      expect({ hardState, snapshot, entries }).toMatchObject({
        hardState: { term: 7, vote: undefined },
        snapshot: { index: mark.index, term: 7 },
        entries: [{ index: mark.index + 1, term: 7, kind: 'config', timeMs: 0, config: { members } }],
      });
      await storage.close();
    }

    const servers = await Promise.all(places.map(({ id }) => harness.member(id, places)));
    const leader = await leaderOf(servers);
    expect(leader.group.config.members).toEqual(members);
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

  test('leaves nothing behind when its file is none', async () => {
    await writeFile(file, 'no snapshot');
    const place = join(dir, 'server');
    await expect(restoreServer(files, { file, dir: place, members: [] }, () => bar)).rejects.toThrow(/backup could not be restored: /);
    expect(await readdir(dir)).toEqual(['backup']);
  });
});
