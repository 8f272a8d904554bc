import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Piece, SendWindow } from '../../../../services/pangu/core/send-window.ts';

function pieces(start: number, lengths: number[]): Piece[] {
  let at = start;
  return lengths.map((length) => {
    const piece = { start: at, length, acknowledged: false };
    at += length;
    return piece;
  });
}

describe('the window of pieces on their way', () => {
  it('reaches as far as acknowledgements follow each other from the front, in whatever order they come', () => {
    fc.assert(
      fc.property(
        fc.nat(1000),
        fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 12 }),
        fc.infiniteStream(fc.nat()),
        (start, lengths, choices) => {
          const all = pieces(start, lengths);
          const window = new SendWindow(start);
          for (const piece of all) window.push(piece);
          const open = [...all];
          const done: Piece[] = [];
          while (open.length > 0) {
            done.push(...window.acknowledge(open.splice(choices.next().value! % open.length, 1)[0]!));
            const front = all.findIndex((piece) => !piece.acknowledged);
            const expected = front < 0 ? all : all.slice(0, front);
            expect(done).toEqual(expected);
            expect(window.acknowledgedEnd).toBe(start + expected.reduce((sum, { length }) => sum + length, 0));
            expect(window.pending).toEqual(all.slice(expected.length));
          }
        },
      ),
    );
  });

  it('sends everything behind the front again after a rewind', () => {
    const [a, b, c] = pieces(0, [5, 5, 5]) as [Piece, Piece, Piece];
    const window = new SendWindow(0);
    for (const piece of [a, b, c]) window.push(piece);
    window.acknowledge(a);
    window.acknowledge(c);
    window.rewind();
    expect(window.pending).toEqual([b, c]);
    expect(window.acknowledge(b)).toEqual([b]);
    expect(window.acknowledgedEnd).toBe(10);
  });

  it('refuses a piece that leaves a gap', () => {
    const window = new SendWindow(0);
    expect(() => window.push({ start: 1, length: 1, acknowledged: false })).toThrow('pieces follow each other');
  });
});
