import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RecordFormat } from '../../../../services/fuxi/contract.ts';
import { createCutter } from '../../../../services/fuxi/core/record-cutter.ts';
import { type RangeTrimmer, trimFixed, trimLines } from '../../../../services/fuxi/core/records.ts';

/** Text with many line borders, some long lines, and no promise of a final newline. */
const text = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constant('\n') },
      { weight: 6, arbitrary: fc.string({ maxLength: 8 }) },
      fc.string({ maxLength: 80 }),
    ),
    {
      maxLength: 40,
    },
  )
  .map((pieces) => Buffer.from(pieces.join('')));

/** Where the file is cut into ranges, and how long the blocks are that come from it. */
const cuts = fc.array(fc.nat({ max: 400 }), { maxLength: 8 });
const blockBytes = fc.integer({ min: 1, max: 40 });

function rangesOf(length: number, cuts: number[]): [offset: number, length: number][] {
  const borders = [...new Set([0, ...cuts.filter((cut) => cut < length), length])].sort((a, b) => a - b);
  return borders.slice(1).map((end, i) => [borders[i]!, end - borders[i]!]);
}

/** The pieces that a range's blocks leave, read as the runner reads: from `position`, in blocks, until `done` or the end of the file. */
function piecesOf(file: Buffer, trimmer: RangeTrimmer, blockBytes: number): Buffer[] {
  const pieces: Buffer[] = [];
  while (!trimmer.done && trimmer.position < file.length) {
    const block = file.subarray(trimmer.position, trimmer.position + blockBytes);
    const { start, end } = trimmer.feed(block);
    if (start < end) pieces.push(block.subarray(start, end));
  }
  return pieces;
}

function recordsOf(pieces: Buffer[], format: RecordFormat): { records: string[]; missing: number } {
  const cutter = createCutter(format);
  const records: string[] = [];
  const cut = (): void => {
    while (cutter.next()) records.push(Buffer.from(cutter.buffer.subarray(cutter.start, cutter.end)).toString('latin1'));
  };
  for (const piece of pieces) {
    cutter.feed(piece, 0, piece.length);
    cut();
  }
  const missing = cutter.finish();
  cut();
  return { records, missing };
}

const linesOf = (file: Buffer): string[] => {
  const lines = file.toString('latin1').split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
};

describe('lines', () => {
  test('however a file is cut into ranges and blocks, the ranges hold every line once and in order', () => {
    fc.assert(
      fc.property(text, cuts, blockBytes, (file, cuts, blockBytes) => {
        const records = rangesOf(file.length, cuts).flatMap(
          ([offset, length]) => recordsOf(piecesOf(file, trimLines(offset, length), blockBytes), { kind: 'lines' }).records,
        );
        expect(records).toEqual(linesOf(file));
      }),
      { numRuns: 2_000, seed: 20240501 },
    );
  });

  test('the bytes of all ranges, one after the other, are the file', () => {
    fc.assert(
      fc.property(text, cuts, blockBytes, (file, cuts, blockBytes) => {
        const pieces = rangesOf(file.length, cuts).flatMap(([offset, length]) => piecesOf(file, trimLines(offset, length), blockBytes));
        expect(Buffer.concat(pieces).equals(file)).toBe(true);
      }),
      { numRuns: 1_000, seed: 7 },
    );
  });

  const records = (file: string, offset: number, length: number, blockBytes = 3): string[] =>
    recordsOf(piecesOf(Buffer.from(file), trimLines(offset, length), blockBytes), { kind: 'lines' }).records;

  test('a line belongs to the range of its first byte, also when the range begins with it', () => {
    expect(records('ab\ncd\nef', 0, 3)).toEqual(['ab']);
    expect(records('ab\ncd\nef', 3, 3)).toEqual(['cd']);
    expect(records('ab\ncd\nef', 2, 2)).toEqual(['cd']);
    expect(records('ab\ncd\nef', 6, 2)).toEqual(['ef']);
  });

  test('a line longer than several ranges is read by the first and by no other', () => {
    const file = `${'x'.repeat(20)}\ny`;
    expect(records(file, 0, 5)).toEqual(['x'.repeat(20)]);
    expect(records(file, 5, 5)).toEqual([]);
    expect(records(file, 10, 10)).toEqual([]);
    expect(records(file, 20, 2)).toEqual(['y']);
  });

  test('an empty file and an empty range hold no line', () => {
    expect(records('', 0, 0)).toEqual([]);
    expect(records('ab\ncd', 3, 0)).toEqual([]);
  });

  test('a range is not read beyond the end of its last line', () => {
    const trimmer = trimLines(0, 2);
    trimmer.feed(Buffer.from('a\nbcd\n'));
    expect(trimmer.done).toBe(true);
  });

  test('a view of a line stays good when later blocks come', () => {
    const cutter = createCutter({ kind: 'lines' });
    const views: Uint8Array[] = [];
    for (const block of ['one\ntw', 'o\nth', 'ree']) {
      cutter.feed(Buffer.from(block), 0, block.length);
      while (cutter.next()) views.push(cutter.buffer.subarray(cutter.start, cutter.end));
    }
    cutter.finish();
    while (cutter.next()) views.push(cutter.buffer.subarray(cutter.start, cutter.end));
    expect(views.map((bytes) => Buffer.from(bytes).toString())).toEqual(['one', 'two', 'three']);
  });
});

describe('fixed-length records', () => {
  test('however a file is cut into ranges and blocks, the ranges hold every record once and in order', () => {
    const file = fc.tuple(fc.integer({ min: 1, max: 17 }), fc.nat({ max: 20 }), fc.infiniteStream(fc.nat({ max: 255 })));
    fc.assert(
      fc.property(file, cuts, blockBytes, ([recordBytes, count, bytes], cuts, blockBytes) => {
        const file = Buffer.from([...bytes.take(recordBytes * count)]);
        const format: RecordFormat = { kind: 'fixed', bytes: recordBytes };
        const records = rangesOf(file.length, cuts).flatMap(
          ([offset, length]) => recordsOf(piecesOf(file, trimFixed(offset, length, recordBytes), blockBytes), format).records,
        );
        const expected = Array.from({ length: count }, (_, i) => file.subarray(i * recordBytes, (i + 1) * recordBytes).toString('latin1'));
        expect(records).toEqual(expected);
      }),
      { numRuns: 1_000, seed: 11 },
    );
  });

  test('a last record that is not whole is noticed', () => {
    expect(recordsOf([Buffer.from('abcde')], { kind: 'fixed', bytes: 2 })).toEqual({ records: ['ab', 'cd'], missing: 1 });
  });
});
