import { describe, expect, test } from 'vitest';
import { Progress } from '../../../../../services/nuwa/core/raft/progress.ts';

function replicating(matchIndex: number): Progress {
  const progress = new Progress(matchIndex + 1, 0);
  progress.accepted(matchIndex);
  progress.becomeReplicate();
  return progress;
}

describe('a probe (section 3.5)', () => {
  test('is one append at a time, and does not move on by itself', () => {
    const progress = new Progress(5, 0);
    expect(progress.maySend(9)).toBe(true);
    progress.sent(8);
    expect([progress.maySend(9), progress.nextIndex]).toEqual([false, 5]);
  });

  test('hears only the refusal of what it asked', () => {
    const progress = new Progress(5, 0);
    expect([3, 4, 5].map((index) => progress.isRefusalNews(index))).toEqual([false, true, false]);
  });

  test('never goes below what is known to match', () => {
    const progress = replicating(7);
    progress.becomeProbe(3);
    expect(progress.nextIndex).toBe(8);
  });
});

describe('replication ahead of the answers (section 10.2.2)', () => {
  test('has a bounded number of appends under way', () => {
    const progress = replicating(0);
    progress.sent(2);
    progress.sent(4);
    expect([progress.maySend(2), progress.maySend(3), progress.nextIndex]).toEqual([false, true, 5]);
    expect(progress.accepted(1)).toBe(true);
    expect(progress.appendsUnderWay).toBe(2);
    expect(progress.accepted(2)).toBe(true);
    expect(progress.appendsUnderWay).toBe(1);
    expect(progress.accepted(4)).toBe(true);
    expect([progress.appendsUnderWay, progress.matchIndex]).toEqual([0, 4]);
  });

  test('an answer that comes late or twice is no news and lowers nothing', () => {
    const progress = replicating(0);
    progress.sent(2);
    progress.sent(4);
    progress.accepted(4);
    expect([progress.accepted(2), progress.matchIndex, progress.nextIndex]).toEqual([false, 4, 5]);
  });

  test('an answer beyond what was sent moves it on', () => {
    const progress = replicating(0);
    progress.accepted(9);
    expect(progress.nextIndex).toBe(10);
  });

  test('refusals are news where something under way may be lost', () => {
    const progress = replicating(3);
    progress.sent(5);
    expect([2, 3, 4, 5, 6].map((index) => progress.isRefusalNews(index))).toEqual([false, false, true, true, false]);
  });

  test('going back to a probe forgets what was under way', () => {
    const progress = replicating(3);
    progress.sent(5);
    progress.becomeProbe(4);
    expect([progress.appendsUnderWay, progress.maySend(1), progress.nextIndex]).toEqual([0, true, 4]);
  });
});

test('while a snapshot is needed nothing is sent, and refusals are no news (section 5.3)', () => {
  const progress = new Progress(5, 0);
  progress.becomeSnapshot();
  expect([progress.maySend(9), progress.isRefusalNews(4)]).toEqual([false, false]);
});
