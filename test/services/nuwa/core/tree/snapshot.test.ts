import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../services/base/random.ts';
import { applyBatch } from '../../../../../services/nuwa/core/tree/apply.ts';
import { nodeRows, restoreSnapshot, SnapshotRestorer, sessionRows, takeSnapshot } from '../../../../../services/nuwa/core/tree/snapshot.ts';
import { newState, type TreeState } from '../../../../../services/nuwa/core/tree/state.ts';
import { randomEntries, timeOf } from './random-entries.ts';
import { bytes, TreeScript } from './script.ts';

const paths = (state: TreeState): string[] => [...nodeRows(state)].map(([path]) => path);

describe('the rows of a tree', () => {
  it('come parents first and children by name, whatever the order in which they were made', () => {
    const script = new TreeScript();
    for (const path of ['/b/y', '/a', '/b-', '/b/x/1', '/b/x', '/B', '/b']) script.create(path, { parents: true });
    expect(paths(script.state)).toEqual(['/', '/B', '/a', '/b', '/b/x', '/b/x/1', '/b/y', '/b-']);
  });

  it('are walked through a tree that is as deep as a path may be', () => {
    const script = new TreeScript();
    script.create('/d'.repeat(2_048), { parents: true });
    const rows = paths(script.state);
    expect(rows).toHaveLength(2_049);
    expect(rows.at(-1)).toBe('/d'.repeat(2_048));
    expect(takeSnapshot(restoreSnapshot(takeSnapshot(script.state)))).toEqual(takeSnapshot(script.state));
  });

  it('keep what no value shows: counters of a directory that is empty again, an ACL, a TTL, a container, an owner', () => {
    const script = new TreeScript();
    script.create('/empty/n-', { parents: true, sequential: true });
    script.write({ kind: 'delete', path: '/empty/n-0000000000' });
    script.create('/acl', { acl: [{ permissions: 1, scheme: 'digest', id: 'alice:x' }] });
    script.write({ kind: 'setAcl', path: '/acl', acl: [{ permissions: 3, scheme: 'digest', id: 'alice:x' }] });
    script.create('/ttl', { ttlMs: 5_000 });
    script.create('/container', { container: true });
    script.create('/owned', { ephemeral: true }, 's2');
    script.write({ kind: 'set', path: '/ttl', value: bytes('later') });
    const restored = restoreSnapshot(takeSnapshot(script.state));
    const rows = new Map(takeSnapshot(restored).nodes.map((row) => [row[0], row]));
    //                             version, made, changed, at, at,     creator, owner, next, children, at, container, ttl, ACLs, ACL
    expect(rows.get('/empty')!.slice(2)).toEqual([0, 1, 1, 1003, 1003, 'one', null, 1, 2, 3, false, null, 0, null]);
    expect(rows.get('/acl')!.slice(2)).toEqual([0, 4, 4, 1005, 1005, 'one', null, 0, 0, 4, false, null, 1, [[3, 'digest', 'alice:x']]]);
    expect(rows.get('/ttl')!.slice(1)).toEqual(['later', 1, 5, 8, 1007, 1010, 'one', null, 0, 0, 5, false, 5_000, 0, null]);
    expect(rows.get('/container')!.slice(2)).toEqual([0, 6, 6, 1008, 1008, 'one', null, 0, 0, 6, true, null, 0, null]);
    expect(rows.get('/owned')!.slice(2)).toEqual([0, 7, 7, 1009, 1009, 'two', 's2', 0, 0, 7, false, null, 0, null]);
    expect([...restored.sessions.get('s2')!.ephemerals]).toEqual(['/owned']);
    expect(restored.nodes).toBe(5);
    expect(restored.reapable.size).toBe(2);
  });

  it('give back a state that goes on as the first one does', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const entries = randomEntries(seededRandom(seed), 120);
      const lived = newState();
      let restarted = newState();
      for (const [i, commands] of entries.entries()) {
        const at = { index: i + 1, nowMs: timeOf(i + 1) };
        const applied = applyBatch(lived, commands, at);
        expect(applyBatch(restarted, commands, at), `seed ${seed}, entry ${i + 1}`).toEqual(applied);
        if (i % 7 === seed % 7) restarted = restoreSnapshot(structuredClone(takeSnapshot(restarted)));
      }
      expect(takeSnapshot(restarted), `seed ${seed}`).toEqual(takeSnapshot(lived));
    }
  });
});

describe('the rows of sessions', () => {
  it('hold the replies that may be asked for again, and the password', () => {
    const script = new TreeScript();
    script.apply({ kind: 'openSession', session: 'p', ttlMs: 7_000, creator: 'three', password: bytes('secret') });
    script.write({ kind: 'set', path: '/nowhere', value: bytes('') }, 'p', { request: 3, settled: 2 });
    script.write({ kind: 'create', path: '/here', value: bytes('') }, 'p', { request: 4, settled: 2, wantStat: true });
    const [row] = sessionRows(restoreSnapshot(takeSnapshot(script.state)));
    expect(row!.slice(0, 4)).toEqual(['p', 7_000, 'three', 2]);
    expect(row![4].map(([request, { kind }]) => [request, kind])).toEqual([
      [3, 'refused'],
      [4, 'done'],
    ]);
    expect(row![4][1]![1]).toMatchObject({ path: '/here', stat: { createRevision: 1 } });
    expect(row![5]).toEqual(bytes('secret'));
  });

  it('are several where the replies of one are many, and each stays small', () => {
    const script = new TreeScript();
    const operations = Array.from(
      { length: 500 },
      (_, i) => ({ kind: 'create', path: `/n-${i}-`, value: bytes(''), sequential: true }) as const,
    );
    for (let request = 1; request <= 20; request++) {
      script.apply({ kind: 'transaction', operations, session: 's1', request, settled: 1, wantStat: true });
    }
    const rows = [...sessionRows(script.state)].filter(([id]) => id === 's1');
    expect(rows.length).toBeGreaterThan(5);
    for (const row of rows) expect(JSON.stringify(row).length).toBeLessThan(1_000_000);
    const restored = restoreSnapshot(takeSnapshot(script.state));
    expect([...restored.sessions.get('s1')!.replies]).toEqual([...script.state.sessions.get('s1')!.replies]);
  });
});

describe('rows that do not fit together', () => {
  const row = (path: string, owner: string | null = null): Parameters<SnapshotRestorer['addNode']>[0] => [
    path,
    '',
    0,
    1,
    1,
    1,
    1,
    'c',
    owner,
    0,
    0,
    1,
    false,
    null,
    0,
    null,
  ];

  it('are no tree: a child without its parent, a node of a session that is not open', () => {
    const restorer = new SnapshotRestorer({ index: 1, revision: 1 });
    restorer.addNode(row('/'));
    expect(() => restorer.addNode(row('/a/b'))).toThrow(/the parent of \/a\/b comes before it/);
    expect(() => restorer.addNode(row('/a', 's'))).toThrow(/the owner of \/a is open/);
  });
});
