import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../../../services/base/random.ts';
import type { NuwaEvent } from '../../../../../services/nuwa/contract.ts';
import { type Batch, bytesOf, Feed, Follower } from '../../../../../services/nuwa/core/client/feed.ts';

const eventAt = (revision: number): NuwaEvent => ({ kind: 'changed', path: '/a', revision, value: new Uint8Array(3) });
const batchOf = (revision: number, ...events: number[]): Batch => ({ events: events.map(eventAt), revision });
const takeAll = (follower: Follower): number[] => {
  const taken: number[] = [];
  for (let event = follower.take(); event; event = follower.take()) taken.push(event.revision);
  return taken;
};
const told = (feed: Feed, batch: Batch): Follower[] => {
  const woken: Follower[] = [];
  feed.spread(batch, (follower) => woken.push(follower));
  return woken;
};

describe('a feed', () => {
  test('begins where its first follower is and wakes those that have something new', () => {
    const [a, b] = [new Follower(5), new Follower(5)];
    const feed = new Feed();
    expect([feed.join(a), feed.join(b), feed.revision]).toEqual([true, true, 5]);
    expect(told(feed, batchOf(9, 6, 9))).toEqual([a, b]);
    expect(takeAll(a)).toEqual([6, 9]);
    expect(told(feed, batchOf(10, 10))).toEqual([a]); // b has not taken yet: it needs no waking
    expect(takeAll(b)).toEqual([6, 9, 10]);
    expect(told(feed, batchOf(20))).toEqual([]);
    expect([a.place, b.place]).toEqual([20, 20]);
  });

  test('takes a follower that is beyond it, and gives it nothing twice; one that is behind asks by itself first', () => {
    const [first, beyond, behind] = [new Follower(5), new Follower(8), new Follower(3)];
    const feed = new Feed();
    feed.join(first);
    expect([feed.join(beyond), feed.join(behind), behind.joined]).toEqual([true, false, false]);
    feed.spread(batchOf(7, 6, 7), () => {});
    feed.spread(batchOf(9, 8, 9), () => {});
    expect([takeAll(first), takeAll(beyond)]).toEqual([[6, 7, 8, 9], [9]]);
    behind.offer(batchOf(9, 4, 6, 7, 8, 9), 0);
    expect(feed.join(behind)).toBe(true);
    expect(takeAll(behind)).toEqual([4, 6, 7, 8, 9]);
  });

  test('lets go of a follower whose queue is full, which then asks from where its queue ends', () => {
    const [slow, quick] = [new Follower(0, { eventsMax: 3, bytesMax: 1e6 }), new Follower(0, { eventsMax: 3, bytesMax: 1e6 })];
    const feed = new Feed();
    feed.join(slow);
    feed.join(quick);
    feed.spread(batchOf(2, 1, 2), () => {});
    takeAll(quick);
    feed.spread(batchOf(4, 3, 4), () => {});
    expect([slow.joined, slow.place, quick.joined, quick.place]).toEqual([false, 2, true, 4]);
    expect(takeAll(slow)).toEqual([1, 2]);
    // A batch larger than the bounds is taken by who has nothing else.
    const large = batchOf(9, 5, 6, 7, 8, 9);
    takeAll(quick);
    feed.spread(large, () => {});
    expect([quick.joined, takeAll(quick).length]).toEqual([true, 5]);
  });

  test('counts bytes too', () => {
    const follower = new Follower(0, { eventsMax: 1_000, bytesMax: 250 });
    expect(bytesOf([eventAt(1)])).toBeGreaterThan(100);
    expect(follower.offer(batchOf(1, 1), 200)).toBe(true);
    expect(follower.offer(batchOf(2, 2), 200)).toBe(false);
    takeAll(follower);
    expect(follower.offer(batchOf(2, 2), 200)).toBe(true);
  });

  test('that ends wakes all, to ask by themselves', () => {
    const follower = new Follower(1);
    const feed = new Feed();
    feed.join(follower);
    const woken: Follower[] = [];
    feed.end((each) => woken.push(each));
    expect([woken, follower.joined, feed.size]).toEqual([[follower], false, 0]);
  });
});

/**
 * Followers come at any revision, take at any speed and ask servers that lag: whatever happens, each is given every change after its first
 * place once, in order, and holds no more than its bounds or one batch.
 */
test('whoever joins when, asks whom and takes how fast: each follower is given all that it wants, once, in order', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed);
    const bounds = { eventsMax: 1 + random.int(8), bytesMax: 300 + random.int(2_000) };
    const batchMax = 1 + random.int(6);
    let revision = random.int(5);
    /** Revisions that are changes of what is watched. */
    const changes: number[] = [];
    /** As a server that may be behind answers. */
    const poll = (after: number): Batch => {
      const known = Math.max(after, revision - random.int(4));
      const found = changes.filter((each) => each > after && each <= known);
      return found.length > batchMax ? batchOf(found[batchMax - 1]!, ...found.slice(0, batchMax)) : batchOf(known, ...found);
    };
    let feed = new Feed();
    const followers: { follower: Follower; from: number; given: number[]; largest: number }[] = [];
    const step = (): void => {
      const each = followers.length === 0 ? undefined : followers[random.int(followers.length)];
      switch (random.int(6)) {
        case 0: {
          const grown = revision + 1 + random.int(6);
          for (revision++; revision < grown; revision++) if (random.int(3) > 0) changes.push(revision);
          changes.push(revision);
          return;
        }
        case 1:
          if (followers.length < 6) {
            const from = random.int(revision + 1);
            followers.push({ follower: new Follower(from, bounds), from, given: [], largest: 0 });
          }
          return;
        case 2:
          if (feed.size > 0) feed.spread(poll(feed.revision!), () => {});
          return;
        case 3:
          if (random.int(20) > 0) return;
          feed.end(() => {});
          feed = new Feed();
          return;
        default:
          if (each) advance(each);
      }
    };
    const advance = (each: (typeof followers)[number]): void => {
      const event = each.follower.take();
      if (event) each.given.push(event.revision);
      else if (!each.follower.joined) {
        const batch = poll(each.follower.place);
        each.largest = Math.max(each.largest, batch.events.length);
        each.follower.offer(batch, bytesOf(batch.events));
        feed.join(each.follower);
      }
      if (each.follower.queued > Math.max(bounds.eventsMax, batchMax)) throw new Error(`seed ${seed}: ${each.follower.queued} queued`);
    };
    for (let i = 0; i < 400; i++) {
      step();
      for (const { follower } of followers)
        if (follower.joined && follower.place < feed.revision!)
          throw new Error(`seed ${seed}: at ${follower.place}, the feed at ${feed.revision}`);
    }
    for (const each of followers) {
      while (each.follower.place < revision || each.follower.queued > 0) {
        if (each.follower.joined && each.follower.queued === 0) feed.spread(poll(feed.revision!), () => {});
        advance(each);
      }
      expect(each.given, `seed ${seed}`).toEqual(changes.filter((change) => change > each.from));
    }
  }
});
