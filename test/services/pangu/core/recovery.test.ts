import { describe, expect, it } from 'vitest';
import { type FoundChunk, planRecovery } from '../../../../services/pangu/core/recovery.ts';

const open = (chunk: string, offset: number, length: number, replicas: Record<string, number>): FoundChunk => ({
  chunk,
  offset,
  state: 'open',
  length,
  replicas: Object.entries(replicas).map(([node, held]) => ({ node, length: held })),
});
const sealed = (chunk: string, offset: number, length: number): FoundChunk => ({ chunk, offset, state: 'sealed', length, replicas: [] });
const kept = (...chunks: FoundChunk[]): unknown => {
  const plan = planRecovery(chunks);
  return plan.kind === 'missing' ? plan : plan.keep.map(({ chunk, length, nodes }) => [chunk, length, nodes?.join()]);
};

describe('the end of a file whose writer is gone', () => {
  it('is what all replicas hold that hold what was recorded', () => {
    expect(kept(open('a', 0, 10, { n1: 30, n2: 20, n3: 5 }))).toEqual([['a', 20, 'n1,n2']]);
    expect(kept(open('a', 0, 0, { n1: 30, n2: 20, n3: 0 }))).toEqual([['a', 20, 'n1,n2']]);
  });

  it('is waited for while acknowledged bytes are on no replica that answers', () => {
    expect(kept(sealed('a', 0, 50), open('b', 50, 10, { n1: 5 }))).toEqual({ kind: 'missing', chunk: 'b' });
    expect(kept(open('a', 0, 10, {}))).toEqual({ kind: 'missing', chunk: 'a' });
  });

  it('has the chunks that follow without a gap, told or not, and drops the rest', () => {
    expect(
      planRecovery([sealed('a', 0, 64), open('b', 64, 0, { n1: 64, n2: 70 }), open('c', 128, 0, { n2: 3 }), open('d', 192, 0, {})]),
    ).toEqual({
      kind: 'ends',
      keep: [
        { chunk: 'a', offset: 0, length: 64, nodes: undefined },
        { chunk: 'b', offset: 64, length: 64, nodes: ['n1', 'n2'] },
        { chunk: 'c', offset: 128, length: 3, nodes: ['n2'] },
      ],
      drop: ['d'],
    });
    expect(kept(open('a', 0, 0, { n1: 5 }), open('b', 64, 0, { n1: 9 }))).toEqual([['a', 5, 'n1']]);
  });

  it('counts, of a chunk that another one goes on from, the replicas that reach it', () => {
    // n3 broke at 5 and was left out; the others were sealed at 40, where b begins.
    expect(kept(open('a', 0, 0, { n1: 40, n2: 40, n3: 5 }), open('b', 40, 10, { n1: 12, n2: 11 }))).toEqual([
      ['a', 40, 'n1,n2'],
      ['b', 11, 'n1,n2'],
    ]);
  });

  it('takes of several attempts at the same place the one that was recorded, else the longest', () => {
    expect(kept(open('a', 0, 0, { n1: 90 }), open('b', 0, 10, { n2: 10 }))).toEqual([['b', 10, 'n2']]);
    expect(kept(open('a', 0, 0, { n1: 90 }), sealed('b', 0, 64))).toEqual([['b', 64, undefined]]);
    expect(kept(open('a', 0, 0, { n1: 3 }), open('b', 0, 0, { n2: 10, n3: 12 }))).toEqual([['b', 10, 'n2,n3']]);
  });

  it('is empty where nothing was written', () => {
    expect(planRecovery([open('a', 0, 0, {})])).toEqual({ kind: 'ends', keep: [], drop: ['a'] });
    expect(planRecovery([])).toEqual({ kind: 'ends', keep: [], drop: [] });
  });
});
