import fc from 'fast-check';
import { expect, test } from 'vitest';
import { summedRecords } from '../../../../services/fuxi/core/entries.ts';
import { partitionOf } from '../../../../services/fuxi/core/partition.ts';
import { SumTable } from '../../../../services/fuxi/core/sum-table.ts';

const refuse = (sum: number): never => {
  throw new Error(`${sum}`);
};

function contents(table: SumTable, partitions: number): [partition: number, key: string, value: string][] {
  const order = table.sort(partitions);
  const found: [number, string, string][] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const cursor = summedRecords(table, order, partition, refuse);
    while (cursor.next()) {
      const text = (bytes: Uint8Array, start: number, end: number): string => Buffer.from(bytes.subarray(start, end)).toString('latin1');
      found.push([partition, text(cursor.key, cursor.keyStart, cursor.keyEnd), text(cursor.value, cursor.valueStart, cursor.valueEnd)]);
    }
  }
  return found;
}

test('sums are those of a map, by partition and key', () => {
  const words = fc.array(fc.tuple(fc.string({ maxLength: 3, unit: 'binary-ascii' }), fc.integer({ min: -5, max: 1_000 })), {
    maxLength: 500,
  });
  fc.assert(
    fc.property(words, fc.integer({ min: 1, max: 9 }), (words, partitions) => {
      const table = new SumTable(1 << 20);
      const expected = new Map<string, number>();
      for (const [word, value] of words) {
        const bytes = Buffer.from(`<${word}>`);
        expect(table.add(bytes, 1, bytes.length - 1, value)).toBe(true);
        expected.set(word, (expected.get(word) ?? 0) + value);
      }
      const sorted = [...expected]
        .map(([word, sum]) => [partitionOf(Buffer.from(word), 0, word.length, partitions), word, String(sum)] as const)
        .sort((a, b) => a[0] - b[0] || Buffer.compare(Buffer.from(a[1]), Buffer.from(b[1])));
      expect(contents(table, partitions)).toEqual(sorted);
    }),
    { numRuns: 200, seed: 8 },
  );
});

test('a hundred thousand keys are all found again', () => {
  const table = new SumTable(64 << 20);
  let refused = 0;
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 100_000; i++) {
      const key = Buffer.from(`key-${i}`);
      if (!table.add(key, 0, key.length, i)) refused++;
    }
  }
  expect({ refused, count: table.count }).toEqual({ refused: 0, count: 100_000 });
  expect(contents(table, 4).filter(([, key, value]) => Number(value) !== 2 * Number(key.slice(4)))).toEqual([]);
});

test('a new key is refused when memory is used up, a known one is not, and one key always fits', () => {
  const table = new SumTable(400);
  let added = 0;
  const add = (key: string): boolean => table.add(Buffer.from(key), 0, key.length, 1);
  while (add(`${added}`)) added++;
  expect(added).toBeGreaterThan(2);
  expect(table.bytes).toBeLessThanOrEqual(400);
  expect(add('0')).toBe(true);
  table.clear();
  expect(add('x'.repeat(10_000))).toBe(true);
  expect(add('y')).toBe(false);
});

test('a sum beyond what a number holds exactly is refused, not rounded', () => {
  const table = new SumTable(1 << 16);
  table.add(Buffer.from('a'), 0, 1, Number.MAX_SAFE_INTEGER);
  table.add(Buffer.from('a'), 0, 1, 1);
  expect(() => contents(table, 1)).toThrow('9007199254740992');
});
