import { describe, expect, it } from 'vitest';
import { takeSnapshot } from '../../../../../services/nuwa/core/tree/snapshot.ts';
import { create, ELECTION_TICKS, Members, openSession, PATIENCE_TICKS } from './members.ts';

const THREE = ['a', 'b', 'c'];
const TICKS_PER_S = 40;

/** Three servers, `a` leads, the session `s` is open. */
function started(ttlMs = 600_000): Members {
  const group = new Members(THREE);
  group.elect('a');
  group.submit('a', openSession('s', ttlMs));
  group.settle();
  return group;
}

const paths = (group: Members, id: string): string[] => group.node(id).events.map(({ kind, path }) => `${kind} ${path}`);

describe('a change', () => {
  it.each(THREE)('submitted at %s is applied everywhere and answered there, and only there', (id) => {
    const group = started();
    const change = group.submit(id, create('/x', 1), create('/x', 2));
    group.settle();
    expect(group.node(id).replies.get(change)).toMatchObject({ kind: 'done', path: '/x', revision: 1 });
    expect(group.node(id).replies.get(change + 1)).toMatchObject({ kind: 'refused', code: 'NodeExists' });
    for (const each of THREE) {
      expect(paths(group, each)).toEqual(['created /x']);
      if (each !== id) expect(group.node(each).replies.has(change)).toBe(false);
      expect(takeSnapshot(group.node(each).member.state)).toEqual(takeSnapshot(group.node('a').member.state));
    }
  });

  it('is not answered before a majority has it on disk, and the own disk is one that counts', () => {
    const group = started();
    for (const id of THREE) group.node(id).slowDisk = true;
    const change = group.submit('b', create('/x', 1));
    group.settle();
    expect(group.node('b').replies.size).toBe(0);
    group.sync('a');
    group.settle();
    expect(group.node('b').replies.size).toBe(0);
    group.sync('c');
    group.settle();
    // Committed by a and c; b answers when its own disk has it.
    expect(group.node('a').member.state.revision).toBe(1);
    expect(group.node('b').replies.size).toBe(0);
    group.sync('b');
    group.settle();
    expect(group.node('b').replies.get(change)).toMatchObject({ kind: 'done' });
  });

  it('that comes while nobody leads waits for a leader', () => {
    const group = new Members(THREE);
    const opened = group.submit('b', openSession());
    const change = group.submit('b', create('/x', 1));
    group.settle();
    expect(group.node('b').replies.size).toBe(0);
    group.elect('c');
    expect([group.node('b').replies.get(opened), group.node('b').replies.get(change)]).toMatchObject([{ kind: 'done' }, { kind: 'done' }]);
  });

  it('is lost when no leader comes within two election timeouts, and is not done later', () => {
    const group = started();
    group.crash('a');
    group.drop = () => true;
    group.step('b', { kind: 'peerLost', peer: 'a' });
    const change = group.submit('b', create('/x', 1));
    group.tick(PATIENCE_TICKS - 4);
    expect(group.node('b').lost).toEqual([]);
    group.tick(4);
    expect(group.node('b').lost).toEqual([change]);
    group.drop = () => false;
    group.tickUntil(() => group.leader !== undefined);
    group.tick(ELECTION_TICKS);
    expect(group.node('b').events).toEqual([]);
  });

  it('that was under way when the leader changed is lost, and sent again under its number it is one change', () => {
    const group = started();
    // b's disk answers nobody: the change is in the log of a and c, and b does not hear what became of it.
    group.drop = (from, to) => from === 'a' && to === 'b';
    const first = group.submit('b', create('/q-', 1, { sequential: true }));
    group.settle();
    expect(group.node('c').events).toHaveLength(1);
    group.crash('a');
    group.drop = () => false;
    for (const id of ['b', 'c']) group.step(id, { kind: 'peerLost', peer: 'a' });
    expect(group.node('b').lost).toEqual([first]);
    const second = group.submit('b', create('/q-', 1, { sequential: true }));
    group.tickUntil(() => group.node('b').replies.has(second));
    expect(group.node('b').replies.get(second)).toMatchObject({ kind: 'done', path: '/q-0000000000', revision: 1 });
    expect(paths(group, 'b')).toEqual(['created /q-0000000000']);
  });

  it('that a deposed leader had in its log is lost there, and its entry is replaced', () => {
    const group = started();
    group.drop = (from, to) => from === 'a' || to === 'a';
    const change = group.submit('a', create('/never', 1));
    group.settle();
    group.tickUntil(() => group.node('b').member.leader === 'b' || group.node('c').member.leader === 'c');
    group.tickUntil(() => group.node('a').lost.length > 0);
    expect(group.node('a').lost).toEqual([change]);
    group.drop = () => false;
    const other = group.submit('b', create('/instead', 2));
    group.tickUntil(() => group.node('b').replies.has(other));
    group.tick(8);
    for (const id of THREE) expect(paths(group, id)).toEqual(['created /instead']);
  });

  it('whose message is lost on its way is lost in the end', () => {
    const group = started();
    group.drop = (_, __, message) => message.kind === 'forward';
    const change = group.submit('b', create('/x', 1));
    group.tick(4 * ELECTION_TICKS + 2);
    expect(group.node('b').lost).toEqual([change]);
  });

  it('that comes to the leader twice is taken once, also if its client does not number it', () => {
    const group = started();
    group.submit('b', create('/q-', 0, { sequential: true }));
    const [forward] = group.wire;
    expect(forward!.message.kind).toBe('forward');
    group.wire.push(forward!, forward!);
    group.settle();
    group.wire.push(forward!);
    group.settle();
    expect(paths(group, 'a')).toEqual(['created /q-0000000000']);
  });

  it('for a leader of another term is refused, and so lost', () => {
    const group = started();
    const change = group.submit('b', create('/x', 1));
    const forward = group.wire.pop()!;
    group.elect('a');
    group.step('a', { kind: 'receive', from: 'b', message: { ...forward.message, term: 0 } as typeof forward.message });
    group.settle();
    expect(group.node('b').lost).toEqual([change]);
    expect(group.node('a').events).toEqual([]);
  });

  it('that a server had under way before it was restarted is not taken for one of its new ones', () => {
    const group = started();
    group.drop = (from, to) => to === 'b' && from !== 'b';
    const old = group.submit('b', create('/old', 1));
    group.settle();
    expect(group.node('a').events).toHaveLength(1);
    group.crash('b');
    const b = group.restart('b');
    group.drop = () => false;
    // The same id again, which a new start counts anew.
    b.member.step({ kind: 'submit', firstId: old, commands: [create('/new', 2)] }, { monotonicMs: group.nowMs, wallMs: group.nowMs });
    group.tick(8);
    expect(b.replies.get(old)).toMatchObject({ kind: 'done', path: '/new' });
    expect(paths(group, 'b')).toEqual(['created /old', 'created /new']);
  });

  it('of a thousand others is one of a few entries, and of large values one entry each', () => {
    const group = started();
    const before = group.node('a').disk.entries.length;
    group.submit('b', ...Array.from({ length: 3_000 }, (_, i) => create(`/n${i}`, i + 1)));
    group.settle();
    expect(group.node('b').member.state.nodes).toBe(3_000);
    expect(group.node('a').disk.entries.length - before).toBe(3);
    group.submit('b', ...Array.from({ length: 3 }, (_, i) => create(`/v${i}`, i + 3_001, { value: new Uint8Array(600_000) })));
    group.settle();
    expect(group.node('a').disk.entries.length - before).toBe(6);
  });
});

describe('a read', () => {
  it.each(THREE)('at %s sees what was acknowledged elsewhere before it', (id) => {
    const group = started();
    group.drop = (_, to, message) => to === id && id !== 'a' && message.kind === 'raft';
    group.submit('a', create('/x', 1));
    group.settle();
    expect(group.node('a').replies.size).toBe(2);
    const read = group.read(id);
    group.settle();
    if (id !== 'a') expect(group.node(id).readable).toEqual([]);
    group.drop = () => false;
    group.tick(8);
    expect(group.node(id).readable).toEqual([read]);
    expect(group.node(id).member.state.nodes).toBe(1);
  });

  it('at a leader that is cut off and deposed is never answered by it, and is lost in the end', () => {
    const group = started();
    group.drop = (from, to) => from === 'a' || to === 'a';
    group.tickUntil(() => group.node('b').member.leader === 'b' || group.node('c').member.leader === 'c');
    const read = group.read('a');
    group.tick(PATIENCE_TICKS);
    expect(group.node('a').readable).toEqual([]);
    expect(group.node('a').lost).toEqual([read]);
  });

  it('that a leader could not answer any more is asked again of the next one', () => {
    const group = started();
    group.drop = (_, to) => to === 'a';
    const read = group.read('b');
    group.settle();
    group.crash('a');
    group.drop = () => false;
    for (const id of ['b', 'c']) group.step(id, { kind: 'peerLost', peer: 'a' });
    group.tickUntil(() => group.node('b').readable.length > 0, PATIENCE_TICKS);
    expect(group.node('b').readable).toEqual([read]);
    expect(group.node('b').lost).toEqual([]);
  });

  it('is not answered by an answer to a server that was this one before its restart', () => {
    const group = started();
    group.read('b');
    const ask = group.wire.find(({ message }) => message.kind === 'ask')!;
    group.crash('b');
    group.restart('b');
    group.tick(8);
    group.drop = (_, to, message) => to === 'a' && message.kind === 'ask';
    group.read('b');
    group.settle();
    group.step('a', { kind: 'receive', from: 'b', message: ask.message });
    group.settle();
    expect(group.node('b').readable).toEqual([]);
  });

  it('in a group of one is answered at once', () => {
    const group = new Members(['a']);
    group.elect('a');
    const read = group.read('a');
    expect(group.node('a').readable).toEqual([read]);
  });
});

describe('a session', () => {
  it('ends when it is not heard of for its TTL, and not before', () => {
    const group = started(1_000);
    group.submit('b', create('/mine', 1, { ephemeral: true }));
    group.tick(TICKS_PER_S - 4);
    expect(paths(group, 'c')).toEqual(['created /mine']);
    group.tick(12);
    expect(paths(group, 'c')).toEqual(['created /mine', 'deleted /mine']);
    expect(group.node('a').member.sessionsExpired).toBe(1);
  });

  it.each(THREE)('lives on as long as %s hears of it', (id) => {
    const group = started(1_000);
    for (let i = 0; i < 12; i++) {
      if (i % 2) group.step(id, { kind: 'touch', sessions: ['s'] });
      const kept = i % 2 ? undefined : group.keepAlive(id, 's');
      group.tick(12);
      if (kept !== undefined) expect(group.node(id).alive.get(kept)).toBe(true);
    }
    expect(group.node('b').member.state.sessions.size).toBe(1);
  });

  it('that is gone is told so to who keeps it alive', () => {
    const group = started();
    const kept = THREE.map((id) => [id, group.keepAlive(id, 'nobody')] as const);
    group.tick(2);
    for (const [id, keep] of kept) expect(group.node(id).alive.get(keep)).toBe(false);
  });

  it('has its whole TTL again from a new leader on', () => {
    const group = started(2_000);
    group.tick(60);
    group.crash('a');
    for (const id of ['b', 'c']) group.step(id, { kind: 'peerLost', peer: 'a' });
    group.tickUntil(() => group.leader !== undefined);
    group.tick(70);
    expect(group.leader!.member.state.sessions.size).toBe(1);
    group.tick(20);
    expect(group.leader!.member.state.sessions.size).toBe(0);
  });

  it('that was opened a moment ago is alive, also for a leader whose own disk is the last to have it', () => {
    const group = started();
    group.node('a').slowDisk = true;
    const opened = group.submit('b', openSession('new'));
    group.settle();
    expect(group.node('b').replies.get(opened)).toMatchObject({ kind: 'done' });
    const kept = group.keepAlive('b', 'new');
    group.tick(2);
    expect(group.node('b').alive.size).toBe(0);
    group.node('a').slowDisk = false;
    group.settle();
    expect(group.node('b').alive.get(kept)).toBe(true);
  });

  it('is not said to live by a leader that may be none any more', () => {
    const group = started();
    group.drop = (from, to) => from === 'a' || to === 'a';
    const kept = group.keepAlive('a', 's');
    group.tick(PATIENCE_TICKS + 2);
    expect(group.node('a').alive.size).toBe(0);
    expect(group.node('a').lost).toEqual([kept]);
  });
});

describe('a leader', () => {
  it('is found soon also where two run at the same moment and split the votes', () => {
    const group = started();
    group.crash('a');
    group.tick(ELECTION_TICKS / 2); // long enough for nobody to run by itself
    for (const id of ['b', 'c']) group.step(id, { kind: 'campaign' });
    group.settle();
    expect(group.leader).toBeUndefined();
    expect(['b', 'c'].map((id) => group.node(id).member.status().role)).toEqual(['candidate', 'candidate']);
    group.tickUntil(() => group.leader !== undefined, ELECTION_TICKS / 2);
  });

  it('removes nodes whose time is over', () => {
    const group = started();
    group.submit('b', create('/short', 1, { ttlMs: 2_000 }));
    group.tick(TICKS_PER_S);
    expect(paths(group, 'c')).toEqual(['created /short']);
    group.tick(2 * TICKS_PER_S + 4);
    expect(paths(group, 'c')).toEqual(['created /short', 'deleted /short']);
  });

  it('hands over when told to, and what comes meanwhile goes to the next one', () => {
    const group = started();
    group.drop = (_, __, message) => message.kind === 'raft' && message.message.kind === 'timeoutNow';
    const transfer = group.order('a', { kind: 'transfer', to: 'c' });
    const own = group.submit('a', create('/meanwhile', 1));
    const others = group.submit('b', create('/refused', 2));
    group.settle();
    expect(group.node('b').lost).toEqual([others]);
    expect(group.node('a').done.size).toBe(0);
    group.drop = () => false;
    group.tick(8);
    expect(group.leader!.id).toBe('c');
    expect([...group.node('a').done]).toEqual([[transfer, undefined]]);
    expect(group.node('a').replies.get(own)).toMatchObject({ kind: 'done' });
  });

  it('says so when the other one does not take over', () => {
    const group = started();
    group.drop = (_, __, message) => message.kind === 'raft' && message.message.kind === 'timeoutNow';
    const transfer = group.order('a', { kind: 'transfer', to: 'c' });
    group.tick(PATIENCE_TICKS + 2);
    expect(group.node('a').done.get(transfer)).toBe('c did not take over in time');
    expect(group.leader!.id).toBe('a');
  });

  it('changes the group, and refuses what cannot be changed', () => {
    const group = started();
    group.add('d', { members: [] });
    const added = group.order('a', { kind: 'changeMembers', change: { kind: 'add', id: 'd', address: 'tcp://d' } });
    const early = group.order('a', { kind: 'changeMembers', change: { kind: 'remove', id: 'b' } });
    group.settle();
    group.tick(8);
    expect(group.node('a').done.has(added)).toBe(true);
    expect(group.node('a').done.get(added)).toBe(undefined);
    expect(group.node('a').done.get(early)).toContain('another change');
    expect(group.node('b').member.status().config.members).toContainEqual({ id: 'd', address: 'tcp://d', role: 'learner' });
    expect(group.node('d').member.state.sessions.size).toBe(1);
    const elsewhere = group.order('b', { kind: 'changeMembers', change: { kind: 'promote', id: 'd' } });
    expect(group.node('b').done.get(elsewhere)).toBe('not the leader');
  });
});
