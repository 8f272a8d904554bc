import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../services/base/random.ts';
import type { NuwaEvent } from '../../../../../services/nuwa/contract.ts';
import { EventRing } from '../../../../../services/nuwa/core/tree/event-ring.ts';

const changed = (revision: number, path = '/a', valueBytes = 1): NuwaEvent => ({
  kind: 'changed',
  path,
  revision,
  value: new Uint8Array(valueBytes),
});
const LARGE = { eventsMax: 1_000, bytesMax: 1_000_000 };

describe('the ring of events', () => {
  it('gives what came after a revision, under a path', () => {
    const ring = new EventRing(LARGE);
    for (const [i, path] of ['/a', '/b', '/a/x', '/ab', '/a'].entries()) ring.push(changed(i + 1, path));
    const revisions = (after: number, path: string, recursive: boolean) =>
      ring.after(after, path, recursive, 1_000_000).events.map(({ revision }) => revision);
    expect(revisions(0, '/a', false)).toEqual([1, 5]);
    expect(revisions(0, '/a', true)).toEqual([1, 3, 5]);
    expect(revisions(1, '/a', true)).toEqual([3, 5]);
    expect(revisions(0, '/', true)).toEqual([1, 2, 3, 4, 5]);
    expect(revisions(5, '/', true)).toEqual([]);
    expect(ring.after(0, '/none', true, 1_000_000)).toEqual({ events: [], revision: 5 });
  });

  it('does not give anything for a revision that is still to come', () => {
    const ring = new EventRing(LARGE);
    ring.push(changed(1));
    expect(ring.after(7, '/', true, 1_000)).toEqual({ events: [], revision: 7 });
  });

  it('cuts a batch at its bytes, one event at least, and resumes without a gap', () => {
    const ring = new EventRing(LARGE);
    for (let revision = 1; revision <= 10; revision++) ring.push(changed(revision, '/a', 1_000));
    const seen: number[] = [];
    for (let after = 0; after < 10; ) {
      const batch = ring.after(after, '/a', false, 2_500);
      expect(batch.events.length).toBe(2);
      seen.push(...batch.events.map(({ revision }) => revision));
      after = batch.revision;
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(ring.after(0, '/a', false, 1).events.length).toBe(1);
  });

  it('keeps exactly the newest that fit its bounds, whatever comes', () => {
    const random = seededRandom(7);
    const ring = new EventRing({ eventsMax: 50, bytesMax: 2_000 }, 100);
    const all: NuwaEvent[] = [];
    for (let revision = 101; revision < 5_000; revision++) {
      const event = changed(revision, '/a', random.int(120));
      all.push(event);
      ring.push(event);
      let kept = 0;
      let bytes = 0;
      for (let i = all.length - 1; i >= 0 && kept < 50 && (bytes += all[i]!.value!.length) <= 2_000; i--) kept++;
      expect(ring.oldestRevision).toBe(revision - kept + 1);
      expect(ring.reaches(revision - kept)).toBe(true);
      expect(ring.reaches(revision - kept - 1)).toBe(false);
      if (revision % 97 === 0) expect(ring.after(revision - kept, '/', true, 1_000_000).events).toEqual(all.slice(all.length - kept));
    }
  });

  it('hands on its newest events for a snapshot', () => {
    const ring = new EventRing(LARGE);
    for (let revision = 1; revision <= 10; revision++) ring.push(changed(revision, '/a', 1_000));
    expect(ring.newest(3_500).map(({ revision }) => revision)).toEqual([8, 9, 10]);
    expect(ring.newest(1_000_000).length).toBe(10);
    expect(new EventRing(LARGE).newest(100)).toEqual([]);
  });
});
