import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Keys, sortKeys } from '../../../../services/fuxi/core/sort-keys.ts';

interface Entry {
  key: Uint8Array;
  partition: number;
}

function keysOf(entries: Entry[]): Keys {
  const lengths = Uint32Array.from(entries, ({ key }) => key.length);
  const offsets = new Uint32Array(entries.length);
  for (let i = 1; i < entries.length; i++) offsets[i] = offsets[i - 1]! + lengths[i - 1]!;
  const bytes = Buffer.concat(entries.map(({ key }) => key));
  return { bytes, offsets, lengths, partitions: Uint16Array.from(entries, ({ partition }) => partition), count: entries.length };
}

const PARTITIONS = 3;

/** Few letters and shared beginnings, so that keys are often equal or one the beginning of the other; zero bytes among them. */
const key = fc.oneof(
  fc.array(fc.constantFrom(0, 1, 97, 255), { maxLength: 9 }),
  fc.array(fc.constantFrom(97, 98), { maxLength: 3 }).map((end) => [...Buffer.from('a long beginning'), ...end]),
);
const entries = fc.array(fc.record({ key: key.map((bytes) => Uint8Array.from(bytes)), partition: fc.nat({ max: PARTITIONS - 1 }) }), {
  maxLength: 300,
});

test('entries come by partition, then key, then the order in which they came', () => {
  fc.assert(
    fc.property(entries, (entries) => {
      const { order, starts } = sortKeys(keysOf(entries), PARTITIONS);
      const expected = entries
        .map((entry, number) => ({ ...entry, number }))
        .sort((a, b) => a.partition - b.partition || Buffer.compare(a.key, b.key) || a.number - b.number);
      expect([...order]).toEqual(expected.map(({ number }) => number));
      for (let partition = 0; partition < PARTITIONS; partition++)
        expect(starts[partition + 1]! - starts[partition]!).toBe(entries.filter((entry) => entry.partition === partition).length);
    }),
    { numRuns: 500, seed: 3 },
  );
});

test('many equal keys of great length do not go deeper than the stack', () => {
  const long = Buffer.alloc(100_000, 'k');
  const entries = Array.from({ length: 20 }, (_, i) => ({ key: i % 2 ? long : long.subarray(1), partition: 0 }));
  const { order } = sortKeys(keysOf(entries), 1);
  expect([...order]).toEqual([...entries.keys()].sort((a, b) => (a % 2) - (b % 2) || a - b));
});
