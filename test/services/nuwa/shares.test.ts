import { beforeEach, describe, expect, it } from 'vitest';
import { Shares, type Worker } from '../../../services/nuwa/shares.ts';

let nowMs: number;
let turns: (() => void)[];
let shares: Shares;
let done: string[];

beforeEach(() => {
  nowMs = 0;
  turns = [];
  done = [];
  shares = new Shares({ nowMs: () => nowMs, nextTurn: (run) => turns.push(run), shareMs: 10, sliceMs: 2 });
});

/** Each step takes a millisecond. */
function worker(name: string, steps: number): Worker & { left: number } {
  return {
    left: steps,
    work(untilMs) {
      do {
        if (this.left === 0) return false;
        this.left--;
        nowMs++;
        done.push(name);
      } while (nowMs < untilMs);
      return this.left > 0;
    },
  };
}

const counted = (): Record<string, number> =>
  Object.fromEntries([...new Set(done)].map((name) => [name, done.filter((each) => each === name).length]));
function turn(): Record<string, number> {
  done = [];
  for (const run of turns.splice(0)) run();
  return counted();
}

describe('what clients get of a turn', () => {
  it('is done at once while there is something left of the share', () => {
    shares.want(worker('a', 1));
    shares.want(worker('b', 2));
    expect(counted()).toEqual({ a: 1, b: 2 });
    expect(shares.waiting).toBe(0);
  });

  it('ends with the share, and what is left is done in the next turns', () => {
    shares.want(worker('a', 25));
    expect(counted()).toEqual({ a: 2 });
    expect([turn(), turn(), turn(), turn()]).toEqual([{ a: 10 }, { a: 10 }, { a: 3 }, {}]);
    expect([turns.length, shares.waiting]).toEqual([0, 0]);
  });

  it('goes by turns, a slice each: who asks for little waits a slice of each of the others', () => {
    for (const name of ['a', 'b', 'c', 'd']) shares.want(worker(name, 1_000));
    shares.want(worker('little', 1));
    expect(counted()).toEqual({ a: 2 });
    expect(turn()).toEqual({ a: 3, b: 2, c: 2, d: 2, little: 1 });
    expect(turn()).toEqual({ b: 4, c: 2, d: 2, a: 2 });
  });

  it('is counted from turn to turn, also of what comes between two of them', () => {
    for (let i = 0; i < 10; i++) shares.want(worker('first', 1));
    shares.want(worker('late', 1));
    expect([counted(), shares.waiting]).toEqual([{ first: 10 }, 1]);
    expect(turn()).toEqual({ late: 1 });
  });

  it('is for nobody who has gone', () => {
    const [a, b] = [worker('a', 20), worker('b', 20)];
    shares.want(a);
    shares.want(b);
    shares.forget(b);
    expect([shares.has(a), shares.has(b)]).toEqual([true, false]);
    expect(turn()).toEqual({ a: 10 });
  });

  it('lets a worker that makes work for itself go on in the row, once', () => {
    const again: Worker = {
      work() {
        done.push('again');
        nowMs++;
        if (done.length < 3) shares.want(again);
        return false;
      },
    };
    shares.want(again);
    expect([counted(), shares.waiting]).toEqual([{ again: 1 }, 1]);
    for (const run of turns.splice(0)) run();
    expect([counted(), shares.waiting]).toEqual([{ again: 3 }, 0]);
  });
});
