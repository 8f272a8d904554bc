import { describe, expect, it } from 'vitest';
import { takeSnapshot } from '../../../../../services/nuwa/core/tree/snapshot.ts';
import { create, Members, openSession } from './members.ts';

const THREE = ['a', 'b', 'c'];

describe('a server that fell behind what the others keep of the log', () => {
  /** b was away while 20 nodes were made and the log was dropped. */
  function behind(eventsKept: number): Members {
    const group = new Members(THREE, { limits: { appendBytesMax: 1_000_000, inflightMax: 16, keptBytesMax: 0 } });
    group.elect('a');
    group.submit('a', openSession('s', 600_000), create('/before', 1));
    group.settle();
    group.drop = (from, to) => from === 'b' || to === 'b';
    group.submit('a', ...Array.from({ length: 20 }, (_, i) => create(`/n${i}`, i + 2)));
    group.settle();
    group.compact('a', eventsKept);
    group.drop = () => false;
    group.tickUntil(() => group.node('b').fetch !== undefined);
    return group;
  }

  it('goes on from their snapshot, and its watchers miss nothing where the snapshot brings the changes along', () => {
    const group = behind(20);
    const waiting = group.submit('b', create('/after', 30));
    group.deliverSnapshot('b');
    group.tick(8);
    const b = group.node('b');
    expect(b.eventsMissed).toBe(0);
    expect(b.events.map(({ revision }) => revision)).toEqual(Array.from({ length: b.member.state.revision }, (_, i) => i + 1));
    expect(b.member.events.oldestRevision).toBe(1);
    expect(takeSnapshot(b.member.state)).toEqual(takeSnapshot(group.node('a').member.state));
    // It was sent before the snapshot came, so its reply may be in there.
    expect([...b.replies.keys(), ...b.lost].filter((id) => id === waiting)).toEqual([waiting]);
  });

  it('says that changes were missed where the snapshot does not bring them all', () => {
    const group = behind(5);
    group.deliverSnapshot('b');
    group.tick(8);
    const b = group.node('b');
    expect(b.eventsMissed).toBe(1);
    expect([b.member.events.oldestRevision, b.member.events.revision]).toEqual([17, 21]);
    expect(takeSnapshot(b.member.state)).toEqual(takeSnapshot(group.node('a').member.state));
  });

  it('asks again when it could not be had', () => {
    const group = behind(20);
    group.node('b').fetch = undefined;
    group.step('b', { kind: 'snapshotFailed' });
    group.tick(8);
    expect(group.node('b').fetch).toBeDefined();
    group.deliverSnapshot('b');
    group.tick(8);
    expect(group.node('b').member.state.nodes).toBe(21);
  });
});
