import { describe, expect, test } from 'vitest';
import { type ClusterFacts, expandProblems, shrinkProblems } from '../../../../services/dayu/core/nodes-checks.ts';
import { nodesDetails } from '../../../../services/dayu/core/nodes-details.ts';
import { parseExpand, parseShrink } from '../../../../services/dayu/core/nodes-documents.ts';
import { NodesState, stepMs } from '../../../../services/dayu/core/nodes-state.ts';

const problemsIn = (parsed: ReturnType<typeof parseExpand> | ReturnType<typeof parseShrink>): string[] =>
  parsed.ok ? [] : parsed.problems.map(({ path, message }) => `${path}: ${message}`);

describe('the documents', () => {
  test('get their defaults', () => {
    expect(parseExpand({ nodes: [{ id: 'node-5', rack: 'rack-a' }] })).toEqual({
      ok: true,
      document: { nodes: [{ id: 'node-5', rack: 'rack-a' }], user: 'default', balance: true },
    });
    expect(parseShrink({ nodes: ['node-5'], user: 'alice' })).toEqual({ ok: true, document: { nodes: ['node-5'], user: 'alice' } });
  });

  test('are refused with every problem and its path', () => {
    expect(problemsIn(parseExpand({ nodes: [{ id: 'Node 5', rack: '' }], balance: 'yes', more: 1 }))).toEqual([
      expect.stringMatching(/^nodes\[0\]\.id: must be/),
      expect.stringMatching(/^nodes\[0\]\.rack: must be/),
      expect.stringMatching(/^balance: /),
      'more: is not a known field here',
    ]);
    expect(problemsIn(parseShrink({ nodes: [] }))).toEqual(['nodes: must name at least one node']);
    expect(problemsIn(parseShrink({ nodes: ['a', 'b', 'a'] }))).toEqual(['nodes[2]: a stands here twice']);
    const twice = { id: 'a', rack: 'r' };
    expect(problemsIn(parseExpand({ nodes: [twice, twice] }))).toEqual(['nodes[1].id: a stands here twice']);
    for (const nonsense of [undefined, null, 7, 'node-5', []]) expect(parseShrink(nonsense).ok).toBe(false);
  });
});

describe('nodes that may come or go', () => {
  const ids = ['node-1', 'node-2', 'node-3', 'node-4'];
  const facts = (changed: Partial<ClusterFacts> = {}): ClusterFacts => ({
    members: ids.map((id) => ({ id, rack: 'rack-a' })),
    servers: ids.map((node) => ({ node, up: true, draining: false })),
    replicasMax: 3,
    ...changed,
  });
  const shrink = (nodes: string[], changed?: Partial<ClusterFacts>, holder?: string) =>
    shrinkProblems({ nodes, user: 'u' }, facts(changed), holder).map(({ message }) => message);
  const expand = (id: string, changed?: Partial<ClusterFacts>) =>
    expandProblems({ nodes: [{ id, rack: 'r' }], user: 'u', balance: true }, facts(changed)).map(({ message }) => message);

  test('come under a name that nobody has', () => {
    expect(expand('node-5')).toEqual([]);
    expect(expand('node-1')).toEqual(['node-1 belongs to the cluster already, in rack-a']);
    // It is away, and its data is still counted on.
    expect(expand('node-7', { servers: [{ node: 'node-7', up: false, draining: false }] })).toEqual([
      'node-7 holds data of this cluster already',
    ]);
  });

  test('go when enough are left for the file that wants most', () => {
    expect(shrink(['node-4'])).toEqual([]);
    expect(shrink(['node-3', 'node-4'])).toEqual([expect.stringContaining('2 nodes that are up would be left')]);
    expect(shrink(['node-3', 'node-4'], { replicasMax: 2 })).toEqual([]);
    expect(shrink(ids, { replicasMax: 0 })).toEqual(['no node that is up would be left']);
  });

  test('are not counted as left when they are down or on their way out', () => {
    const servers = (changed: object) => ids.map((node) => ({ node, up: true, draining: false, ...(node === 'node-1' ? changed : {}) }));
    expect(shrink(['node-4'], { servers: servers({ up: false }) })).toHaveLength(1);
    expect(shrink(['node-4'], { servers: servers({ draining: true }) })).toHaveLength(1);
    // One that was left draining by a shrink that is gone may go on.
    expect(shrink(['node-1'], { servers: servers({ draining: true }) })).toEqual([]);
  });

  test('go one shrink at a time, and only when they are there', () => {
    expect(shrink(['node-4'], {}, 'shrink-7')).toEqual(['another shrink is under way: shrink-7']);
    expect(shrink(['node-9'])).toEqual(['node-9 is not a node of this cluster; there are node-1, node-2, node-3, node-4']);
  });
});

describe('how it stands', () => {
  const state = () => new NodesState('shrink', [{ id: 'node-5', rack: 'rack-a' }], 1_000);
  const step = {
    replicasMoved: 2,
    bytesMoved: 2_048,
    replicasLeft: 1,
    bytesLeft: 1_024,
    done: false,
    waiting: '1 replica: is being written to',
  };

  test('adds up what was moved, and tells what is waited for as long as that is so', () => {
    const shrinking = state();
    shrinking.set('node-5', { state: 'draining' });
    shrinking.moved('node-5', step);
    shrinking.moved('node-5', step);
    expect(shrinking.progress().nodes['node-5']).toMatchObject({
      replicasMoved: 4,
      bytesMoved: 4_096,
      bytesLeft: 1_024,
      message: step.waiting,
    });
    expect(nodesDetails(shrinking.progress(), undefined)).toContain('- **node-5**: 1 replica: is being written to');
    shrinking.moved('node-5', { ...step, waiting: '' });
    expect(shrinking.progress().nodes['node-5']).not.toHaveProperty('message');
  });

  test('can be aborted until nodes leave, and once', () => {
    const shrinking = state();
    shrinking.phase = 'draining';
    expect(() => shrinking.assertCanAbort()).not.toThrow();
    shrinking.aborting = true;
    expect(() => shrinking.assertCanAbort()).toThrow('being aborted already');
    shrinking.aborting = false;
    shrinking.phase = 'leaving';
    expect(() => shrinking.assertCanAbort()).toThrow('there is no way back');
    shrinking.ended('done', undefined, 2_000);
    expect(() => shrinking.assertCanAbort()).toThrow('done already');
    expect(shrinking.result('done', 0).nodes).toEqual({ 'node-5': { rack: 'rack-a', replicasMoved: 0, bytesMoved: 0 } });
  });

  test('steps grow, so that days of moving are far fewer than ten thousand events', () => {
    const EVENTS_A_STEP = 7;
    let hours = 0;
    for (let i = 0; i * EVENTS_A_STEP < 10_000; i++) hours += stepMs(i) / 3_600_000;
    expect(hours).toBeGreaterThan(100);
    expect(stepMs(0)).toBeLessThan(5_000);
  });
});
