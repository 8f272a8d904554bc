import { expect, test } from 'vitest';
import { hashBytes, partitionOf } from '../../../../services/fuxi/core/partition.ts';

const hash = (text: string): number => hashBytes(Buffer.from(text), 0, Buffer.byteLength(text));

/** MurmurHash3's fmix32, on its own and in another arithmetic. */
function fmix32(value: number): number {
  const multiply = (a: bigint, b: bigint): bigint => (a * b) & 0xffffffffn;
  let h = BigInt(value);
  h = multiply(h ^ (h >> 16n), 0x85ebca6bn);
  h = multiply(h ^ (h >> 13n), 0xc2b2ae35n);
  return Number(h ^ (h >> 16n));
}

test("the hash is FNV-1a, with its published test vectors, and MurmurHash3's finaliser", () => {
  const published: [text: string, fnv1a: number][] = [
    ['', 0x811c9dc5],
    ['a', 0xe40c292c],
    ['b', 0xe70c2de5],
    ['foobar', 0xbf9cf968],
    ['chongo was here!\n', 0xd49930d5],
  ];
  for (const [text, fnv1a] of published) expect(hash(text)).toBe(fmix32(fnv1a));
});

test('it never changes: outputs of one release are read by the next', () => {
  expect([hash(''), hash('a'), hash('wordcount'), hash('飞天')]).toEqual([2_872_998_923, 444_641_715, 837_574_589, 3_149_480_708]);
});

test('partitions are about even, also for keys that differ in one byte only', () => {
  for (const partitions of [2, 8, 10, 64]) {
    const counts = new Array<number>(partitions).fill(0);
    for (let i = 0; i < 64_000; i++) {
      const key = Buffer.from(`user-${i}`);
      counts[partitionOf(key, 0, key.length, partitions)]!++;
    }
    const even = 64_000 / partitions;
    // Five standard deviations of a fair choice.
    for (const count of counts) expect(Math.abs(count - even)).toBeLessThan(5 * Math.sqrt(even));
  }
});
