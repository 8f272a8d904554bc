import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { seededRandom } from '../../../../services/base/random.ts';
import { packBytes } from '../../../../services/nuwa/core/tree/bytes.ts';
import type { NodeRow } from '../../../../services/nuwa/core/tree/snapshot.ts';
import { NodeRowsWriter, readNodeRows } from '../../../../services/nuwa/log/snapshot-rows.ts';

function back(bytes: Uint8Array): NodeRow[] {
  const rows: NodeRow[] = [];
  expect(readNodeRows(bytes, (row) => rows.push(row))).toBe(rows.length);
  return rows;
}

const PLAIN: NodeRow = ['/a', 'v', 0, 7, 7, 1_795_588_248_372, 1_795_588_248_372, 'c', null, 0, 0, 7, false, null, 0, null];

/** PLAIN with the field at that place changed. */
const withField = (place: number, value: unknown): NodeRow => PLAIN.with(place, value as never) as NodeRow;

test.each([
  ['nothing of note', PLAIN],
  ['a path of any Unicode', withField(0, `/ü/飞天/${'x'.repeat(300)}`)],
  ['an empty value', withField(1, '')],
  ['no value', withField(1, null)],
  ['a value of every byte', withField(1, packBytes(Uint8Array.from({ length: 256 }, (_, i) => i)))],
  ['the longest value that is a text', withField(1, packBytes(new Uint8Array(4_096).fill(200)))],
  ['the shortest value that is not', withField(1, packBytes(new Uint8Array(4_097).fill(200)))],
  ['a version', withField(2, 3)],
  ['a large revision', withField(4, Number.MAX_SAFE_INTEGER)],
  ['a later time', withField(6, 1_795_588_999_999)],
  ['a creator of any Unicode', withField(7, '女娲')],
  ['no creator', withField(7, '')],
  ['an owner', withField(8, 's-1')],
  ['a counter', withField(9, 10)],
  ['children that came and went', withField(10, 2)],
  ['a revision of its children', withField(11, 9)],
  ['a container', withField(12, true)],
  ['a TTL', withField(13, 86_400_000)],
  ['an ACL that was changed', withField(14, 1)],
  ['an ACL', withField(15, [[31, 'digest', 'alice:x'], [1, 'world', 'anyone']])], // biome-ignore format: one line per case
] as const)('a row with %s comes back as it was', (_, row) => {
  const writer = new NodeRowsWriter();
  writer.add(row as NodeRow);
  expect(back(writer.take())).toEqual([row]);
});

test('a row with a value of 1 MiB comes back as it was', () => {
  const writer = new NodeRowsWriter();
  const row = withField(1, new Uint8Array(1_048_576).fill(200));
  writer.add(row);
  // An `expect` of that many bytes takes seconds.
  expect(isDeepStrictEqual(back(writer.take()), [row])).toBe(true);
});

test('rows of any mixture come back as they were, frame after frame', () => {
  const seed = Number(process.env.SEED ?? 1 + Math.floor(Math.random() * 2 ** 30));
  const random = seededRandom(seed);
  const writer = new NodeRowsWriter();
  const number = (): number => Math.floor(2 ** random.int(53) * random.next());
  const text = (): string => ['', 'one', 'zwölf', '飞天', 'x'.repeat(random.int(100))][random.int(5)]!;
  for (let frame = 0; frame < 50; frame++) {
    const rows = Array.from({ length: random.int(40) }, (): NodeRow => {
      const made = number();
      const at = number();
      const childRevision = random.int(2) ? made : number();
      const changed = random.int(2) ? ([0, made, made, at, at] as const) : ([number(), made, number(), at, number()] as const);
      const acl = random.int(3)
        ? null
        : Array.from({ length: random.int(4) }, (): [number, string, string] => [random.int(32), text(), text()]);
      const directory = [random.int(2) * number(), random.int(2) * number(), childRevision] as const;
      const owner = random.int(3) ? null : text();
      const ttlMs = random.int(3) ? null : number();
      return [
        `/${text()}`,
        text() === 'one' ? 'v' : '',
        ...changed,
        text(),
        owner,
        ...directory,
        random.int(2) === 0,
        ttlMs,
        random.int(3),
        acl,
      ];
    });
    for (const row of rows) writer.add(row);
    expect(writer.rows).toBe(rows.length);
    expect(back(writer.take()), `seed ${seed}, frame ${frame}`).toEqual(rows);
  }
});

test('a name that stands in many rows is written once per frame', () => {
  const writer = new NodeRowsWriter();
  const bytesOf = (count: number): number => {
    for (let i = 0; i < count; i++) writer.add(withField(7, 'a-creator-with-a-long-name'));
    return writer.take().length;
  };
  const one = bytesOf(1);
  expect(bytesOf(101) - one).toBeLessThan(100 * (one - 26));
});

test('bytes that end too early, or name a text that never stood there, are no rows', () => {
  const writer = new NodeRowsWriter();
  writer.add(withField(8, 's-1'));
  const bytes = writer.take();
  for (let length = 1; length < bytes.length; length++) expect(() => back(bytes.subarray(0, length)), `${length} bytes`).toThrow();
  const ownerAt = bytes.length - 5;
  expect(bytes[ownerAt]).toBe(1);
  bytes[ownerAt] = 5;
  expect(() => back(bytes)).toThrow(/text 5 of 1/);
});
