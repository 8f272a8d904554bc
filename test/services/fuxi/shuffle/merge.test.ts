import fc from 'fast-check';
import { expect, test } from 'vitest';
import { combineCursor } from '../../../../services/fuxi/core/combine.ts';
import { type Cursor, Position } from '../../../../services/fuxi/core/cursor.ts';
import { Groups } from '../../../../services/fuxi/core/groups.ts';
import { mergeCursors } from '../../../../services/fuxi/core/merge.ts';

interface Pair {
  key: Uint8Array;
  value: string;
}

class ListCursor extends Position {
  readonly #pairs: Pair[];
  #at = 0;

  constructor(pairs: Pair[]) {
    super();
    this.#pairs = pairs;
  }

  next(): boolean {
    const pair = this.#pairs[this.#at++];
    if (!pair) return false;
    this.key = pair.key;
    this.keyEnd = pair.key.length;
    this.value = Buffer.from(pair.value);
    this.valueEnd = this.value.length;
    return true;
  }
}

const key = fc.array(fc.constantFrom(0, 97, 98, 255), { maxLength: 8 }).map((bytes) => Uint8Array.from(bytes));
const lists = fc
  .array(fc.array(key, { maxLength: 12 }), { maxLength: 9 })
  .map((lists) => lists.map((keys, list) => keys.sort(Buffer.compare).map((key, i) => ({ key, value: `${list}.${i}` }))));

const pairsOf = (cursor: Cursor): Pair[] => {
  const pairs: Pair[] = [];
  while (cursor.next()) {
    const value = Buffer.from(cursor.value.subarray(cursor.valueStart, cursor.valueEnd)).toString();
    pairs.push({ key: cursor.key.slice(cursor.keyStart, cursor.keyEnd), value });
  }
  return pairs;
};
const sorted = (lists: Pair[][]): Pair[] => lists.flat().sort((a, b) => Buffer.compare(a.key, b.key)); // stable

test('a merge is the sorted whole, equal keys in the order of the lists', () => {
  fc.assert(
    fc.property(lists, (lists) => {
      const merged = mergeCursors(lists.map((pairs) => new ListCursor(pairs)));
      expect(pairsOf(merged)).toEqual(sorted(lists));
      expect(merged.next()).toBe(false);
    }),
    { numRuns: 1_000, seed: 5 },
  );
});

test('groups hold each key once with all its values, however many of them are read', () => {
  fc.assert(
    fc.property(lists, fc.infiniteStream(fc.nat({ max: 4 })), (lists, reads) => {
      const expected = new Map<string, string[]>();
      for (const { key, value } of sorted(lists)) {
        const hex = Buffer.from(key).toString('hex');
        expected.set(hex, [...(expected.get(hex) ?? []), value]);
      }
      const groups = new Groups(mergeCursors(lists.map((pairs) => new ListCursor(pairs))));
      const keys: string[] = [];
      while (groups.next()) {
        const hex = Buffer.from(groups.key.subarray(groups.keyStart, groups.keyEnd)).toString('hex');
        keys.push(hex);
        const wanted = reads.next().value;
        for (let i = 0; i < wanted && groups.nextValue(); i++)
          expect(Buffer.from(groups.value.subarray(groups.valueStart, groups.valueEnd)).toString()).toBe(expected.get(hex)![i]);
      }
      expect(keys).toEqual([...expected.keys()]);
      expect(groups.records).toBe(lists.flat().length);
    }),
    { numRuns: 500, seed: 6 },
  );
});

test('combining leaves one record for each key', () => {
  const list = (text: string): Cursor => new ListCursor([...text].map((letter) => ({ key: Buffer.from(letter), value: '2' })));
  const combined = combineCursor(mergeCursors([list('aab'), list('abc')]), (group) => Buffer.from(String(group.sum())));
  expect(pairsOf(combined).map(({ key, value }) => [Buffer.from(key).toString(), value])).toEqual([
    ['a', '6'],
    ['b', '4'],
    ['c', '2'],
  ]);
});
