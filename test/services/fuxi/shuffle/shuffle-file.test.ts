import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bufferedRecords } from '../../../../services/fuxi/core/entries.ts';
import { partitionOf } from '../../../../services/fuxi/core/partition.ts';
import { RunCursor } from '../../../../services/fuxi/core/run.ts';
import { decodeTail, encodeShuffle, entryPosition, FOOTER_BYTES } from '../../../../services/fuxi/core/shuffle-file.ts';
import { SortBuffer } from '../../../../services/fuxi/core/sort-buffer.ts';

type Pair = [key: Buffer, value: Buffer];

function encode(pairs: Pair[], partitions: number): Buffer {
  const buffer = new SortBuffer(partitions, 1 << 30);
  for (const [key, value] of pairs) buffer.add(key, 0, key.length, value, 0, value.length);
  const order = buffer.sort();
  // A block is used again, so it is copied.
  return Buffer.concat(
    [...encodeShuffle(partitions, (partition) => bufferedRecords(buffer, order, partition))].map((block) => Buffer.from(block)),
  );
}

/** As a reduce attempt reads: the tail, the run, and the run in blocks of some length. */
function decode(file: Buffer, partition: number, tailBytes: number, blockBytes: number): Pair[] {
  let found = decodeTail(file.subarray(Math.max(0, file.length - tailBytes)), file.length, partition);
  if (found.run === 'short')
    found = decodeTail(file.subarray(entryPosition(file.length, found.partitions, partition)), file.length, partition);
  if (found.run === 'short') throw new Error('still short');
  const { offset, length, records } = found.run;
  let at = offset;
  const cursor = new RunCursor(new Uint8Array(0), (rest, needed) => {
    const end = Math.min(offset + length, at + Math.max(blockBytes, needed - rest.length));
    if (end === at) return undefined;
    const block = Buffer.concat([rest, file.subarray(at, end)]);
    at = end;
    return block;
  });
  const pairs: Pair[] = [];
  while (cursor.next()) {
    const { key, keyStart, keyEnd, value, valueStart, valueEnd } = cursor;
    pairs.push([Buffer.from(key.subarray(keyStart, keyEnd)), Buffer.from(value.subarray(valueStart, valueEnd))]);
  }
  expect(pairs.length).toBe(records);
  return pairs;
}

const bytes = fc.uint8Array({ maxLength: 5 }).map((bytes) => Buffer.from(bytes));

test('each partition reads back as its records, sorted by key and stable', () => {
  const pairs = fc.array(fc.tuple(bytes, bytes), { maxLength: 60 });
  const sizes = fc.record({
    partitions: fc.integer({ min: 1, max: 7 }),
    tailBytes: fc.integer({ min: FOOTER_BYTES, max: 300 }),
    blockBytes: fc.integer({ min: 1, max: 64 }),
  });
  fc.assert(
    fc.property(pairs, sizes, (pairs, { partitions, tailBytes, blockBytes }) => {
      const file = encode(pairs, partitions);
      for (let partition = 0; partition < partitions; partition++) {
        const mine = pairs.filter(([key]) => partitionOf(key, 0, key.length, partitions) === partition);
        expect(decode(file, partition, tailBytes, blockBytes)).toEqual(mine.sort(([a], [b]) => Buffer.compare(a, b)));
      }
    }),
    { numRuns: 300, seed: 9 },
  );
});

test('records larger than a block, and lengths of every size of varint, keep their bytes', () => {
  const lengths = [0, 1, 127, 128, 16_383, 16_384, 1 << 20, (1 << 20) + 1, 2_097_152, 5_000_000];
  const pairs = lengths.map((length, i): Pair => [Buffer.from([i]), Buffer.alloc(length, i + 1)]);
  const read = decode(encode(pairs, 1), 0, 4096, 300_000);
  expect(read.map(([key, value]) => [key[0], value.length, value.every((byte) => byte === key[0]! + 1)])).toEqual(
    lengths.map((length, i) => [i, length, true]),
  );
});

describe('a file that is not whole is told apart', () => {
  const file = encode([[Buffer.from('key'), Buffer.from('value')]], 2);

  test('cut off', () => {
    expect(() => decodeTail(file.subarray(0, -1), file.length - 1, 0)).toThrow('InputCorrupt: this is no whole shuffle file');
    expect(() => decodeTail(file.subarray(0, 10), 10, 0)).toThrow('too short');
  });

  test('another version', () => {
    const other = Buffer.from(file);
    other.writeUInt32LE(2, other.length - 12);
    expect(() => decodeTail(other, other.length, 0)).toThrow('its version is 2, not 1');
  });

  test('fewer partitions than wanted', () => {
    expect(() => decodeTail(file, file.length, 2)).toThrow('it has 2 partitions');
  });

  test('a run that ends within a record', () => {
    const cursor = new RunCursor(Uint8Array.of(3, 5, 1, 2));
    expect(() => cursor.next()).toThrow('ends within a record');
  });
});
