import { describe, expect, it } from 'vitest';
import { apply } from '../../../../../services/nuwa/core/tree/apply.ts';
import type { Applied, Command, Create, Reap, Transaction } from '../../../../../services/nuwa/core/tree/command.ts';
import { dueForReaping, REAPS_MAX } from '../../../../../services/nuwa/core/tree/reap.ts';
import { restoreSnapshot, takeSnapshot } from '../../../../../services/nuwa/core/tree/snapshot.ts';
import { newState, nodeAt, type TreeState } from '../../../../../services/nuwa/core/tree/state.ts';
import { bytes, outcome, told } from './script.ts';

/** A tree with a session, in which time is said with each command. */
class TimedTree {
  state: TreeState = newState();

  constructor() {
    this.at(0, { kind: 'openSession', session: 's1', ttlMs: 5_000, creator: 'one' });
  }

  at(nowMs: number, command: Command): Applied {
    return apply(this.state, command, { index: this.state.index + 1, nowMs });
  }

  create(nowMs: number, path: string, options: Partial<Create> = {}): Applied {
    return this.at(nowMs, { kind: 'create', path, value: bytes(''), session: 's1', request: 0, settled: 0, ...options });
  }

  set(nowMs: number, path: string): Applied {
    return this.at(nowMs, { kind: 'set', path, value: bytes('x'), session: 's1', request: 0, settled: 0 });
  }

  remove(nowMs: number, path: string): Applied {
    return this.at(nowMs, { kind: 'delete', path, session: 's1', request: 0, settled: 0, recursive: true });
  }

  due(nowMs: number): string[] {
    return dueForReaping(this.state, nowMs).map(({ path }) => path);
  }

  /** What is due then, as commands of an entry of that time. */
  reap(nowMs: number): string[] {
    return dueForReaping(this.state, nowMs).flatMap((reap) => told(this.at(nowMs, reap)));
  }
}

describe('a container', () => {
  it('may go once it had a child and has none', () => {
    const tree = new TimedTree();
    tree.create(0, '/c', { container: true });
    tree.create(10, '/c/a');
    expect(tree.due(100_000)).toEqual([]);
    tree.remove(20, '/c/a');
    expect(tree.due(20)).toEqual(['/c']);
    expect(tree.reap(20)).toEqual(['deleted /c@4']);
    expect(tree.due(100_000)).toEqual([]);
  });

  it('that never had a child stays for a minute', () => {
    const tree = new TimedTree();
    tree.create(500, '/c', { container: true });
    expect(tree.due(60_499)).toEqual([]);
    expect(tree.due(60_500)).toEqual(['/c']);
  });

  it('that was filled again meanwhile stays', () => {
    const tree = new TimedTree();
    tree.create(0, '/c', { container: true });
    tree.create(0, '/c/a');
    tree.remove(0, '/c/a');
    const [reap] = dueForReaping(tree.state, 0);
    tree.create(0, '/c/b');
    expect(tree.at(0, reap!)).toEqual({ reply: { kind: 'done', revision: 4 }, events: [] });
    expect(tree.due(0)).toEqual([]);
    tree.remove(0, '/c/b');
    expect(tree.due(0)).toEqual(['/c']);
  });

  it('that was made anew meanwhile stays', () => {
    const tree = new TimedTree();
    tree.create(0, '/c', { container: true });
    tree.create(0, '/c/a');
    tree.remove(0, '/c/a');
    const [reap] = dueForReaping(tree.state, 0);
    tree.remove(0, '/c');
    tree.create(0, '/c', { container: true });
    expect(tree.due(59_000)).toEqual([]);
    tree.create(0, '/c/b');
    tree.remove(0, '/c/b');
    expect(told(tree.at(0, reap!))).toEqual([]);
    expect(tree.reap(0)).toEqual(['deleted /c@8']);
  });

  it('goes after the containers below it', () => {
    const tree = new TimedTree();
    tree.create(0, '/c', { container: true });
    tree.create(0, '/c/d', { container: true });
    tree.create(0, '/c/d/a', { ephemeral: true });
    tree.at(1, { kind: 'closeSession', session: 's1', why: 'closed' });
    expect(tree.reap(1)).toEqual(['deleted /c/d@5']);
    expect(tree.reap(2)).toEqual(['deleted /c@6']);
  });
});

describe('a node with a TTL', () => {
  it('may go when it was not set for that long', () => {
    const tree = new TimedTree();
    tree.create(0, '/t', { ttlMs: 5_000 });
    expect(tree.due(4_999)).toEqual([]);
    expect(tree.due(5_000)).toEqual(['/t']);
    tree.set(5_000, '/t');
    expect(tree.due(9_999)).toEqual([]);
    expect(tree.reap(10_000)).toEqual(['deleted /t@3']);
  });

  it('that was set meanwhile stays', () => {
    const tree = new TimedTree();
    tree.create(0, '/t', { ttlMs: 5_000 });
    const [reap] = dueForReaping(tree.state, 5_000);
    tree.set(5_001, '/t');
    expect(told(tree.at(20_000, reap!))).toEqual([]);
  });

  it('stays as long as it has children', () => {
    const tree = new TimedTree();
    tree.create(0, '/t', { ttlMs: 5_000 });
    tree.create(0, '/t/a');
    expect(tree.due(60_000)).toEqual([]);
    tree.remove(60_000, '/t/a');
    expect(tree.due(60_000)).toEqual(['/t']);
  });

  it('is due as before when a transaction that set it was refused', () => {
    const tree = new TimedTree();
    tree.create(0, '/t', { ttlMs: 5_000 });
    const operations: Transaction['operations'] = [
      { kind: 'set', path: '/t', value: bytes('x') },
      { kind: 'create', path: '/t/a', value: bytes('') },
      { kind: 'check', path: '/none' },
    ];
    const transaction: Command = { kind: 'transaction', operations, session: 's1', request: 0, settled: 0 };
    expect(outcome(tree.at(4_000, transaction))).toBe('Conflict');
    expect(tree.reap(5_000)).toEqual(['deleted /t@2']);
  });

  it('does not go by an entry whose time is before its end, whatever the leader saw', () => {
    const tree = new TimedTree();
    tree.create(0, '/t', { ttlMs: 5_000 });
    const [reap] = dueForReaping(tree.state, 5_000);
    expect(told(tree.at(4_999, reap!))).toEqual([]);
    expect(told(tree.at(5_000, reap!))).toEqual(['deleted /t@2']);
  });

  it.each([0, -1, 1.5, Number.NaN])('has no TTL of %s ms', (ttlMs) => {
    expect(outcome(new TimedTree().create(0, '/t', { ttlMs }))).toBe('BadArguments');
  });
});

describe('what is due', () => {
  it('is never a plain node, nor an ephemeral one', () => {
    const tree = new TimedTree();
    tree.create(0, '/p');
    tree.create(0, '/p/a');
    tree.remove(0, '/p/a');
    tree.create(0, '/e', { ephemeral: true });
    expect(tree.due(Number.MAX_SAFE_INTEGER)).toEqual([]);
    const reap: Reap = { kind: 'reap', path: '/p', createRevision: 1, modifyRevision: 1 };
    expect(told(tree.at(1, reap))).toEqual([]);
  });

  it('is due again until it is gone', () => {
    const tree = new TimedTree();
    tree.create(0, '/t', { ttlMs: 5_000 });
    expect(tree.due(5_000)).toEqual(['/t']);
    expect(tree.due(5_000)).toEqual(['/t']);
    expect(tree.due(7_000)).toEqual(['/t']);
  });

  it('is known to a server that restored a snapshot', () => {
    const tree = new TimedTree();
    tree.create(0, '/t', { ttlMs: 5_000 });
    tree.create(0, '/c', { container: true });
    tree.create(0, '/full', { container: true });
    tree.create(0, '/full/a');
    tree.state = restoreSnapshot(takeSnapshot(tree.state));
    expect(tree.due(5_000)).toEqual(['/t']);
    expect(tree.due(60_000)).toEqual(['/c', '/t']);
    tree.remove(1, '/full/a');
    expect(tree.due(5_000)).toEqual(['/full', '/t']);
  });

  it('comes in portions, all of it in time', () => {
    const tree = new TimedTree();
    const count = 2 * REAPS_MAX + 7;
    for (let i = 0; i < count; i++) tree.create(i % 900, `/t${i}`, { ttlMs: 5_000 });
    const portions: number[] = [];
    while (nodeAt(tree.state, '/')!.childCount > 0) portions.push(tree.reap(10_000).length);
    expect(portions).toEqual([REAPS_MAX, REAPS_MAX, 7]);
  });
});
