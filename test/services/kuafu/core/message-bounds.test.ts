import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { expect, test } from 'vitest';
import { decodeBody, encodeBody } from '../../../../services/kuafu/codec.ts';
import { isUtf8, messageProblem, NESTING_MAX } from '../../../../services/kuafu/core/message-bounds.ts';

const value = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true }),
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(
      fc.string({ maxLength: 40 }).filter((key) => key !== '__proto__'),
      tie('value'),
      { maxKeys: 20, noNullPrototype: true },
    ),
  ),
})).value;

/** Buffers and Uint8Arrays alike. */
const plain = (decoded: unknown): unknown =>
  decoded instanceof Uint8Array
    ? new Uint8Array(decoded)
    : Array.isArray(decoded)
      ? decoded.map(plain)
      : typeof decoded === 'object' && decoded !== null
        ? Object.fromEntries(Object.entries(decoded).map(([key, inner]) => [key, plain(inner)]))
        : Object.is(decoded, -0)
          ? 0
          : decoded;

test('every value that is encoded is decoded as it was', () => {
  fc.assert(
    fc.property(value, (original) => {
      expect(plain(decodeBody(encodeBody(original)))).toEqual(plain(original));
    }),
  );
});

test('a body is exactly one value', () => {
  fc.assert(
    fc.property(value, fc.nat(), (original, cut) => {
      const body = encodeBody(original);
      expect(messageProblem(Buffer.concat([body, Buffer.from([0xc0])]))).toBe('bytes after the end of the body');
      expect(messageProblem(body.subarray(0, cut % body.length))).toBeDefined();
    }),
  );
});

test('any bytes at all either decode or are refused with an Error, in little time and memory', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), (bytes) => {
      try {
        decodeBody(Buffer.from(bytes));
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }),
    { numRuns: 500 },
  );
});

test.each([
  ['an array that claims four thousand million elements', [0xdd, 0xff, 0xff, 0xff, 0xff]],
  ['a map that claims four thousand million entries', [0xdf, 0xff, 0xff, 0xff, 0xff]],
  ['a string longer than the body', [0xdb, 0x00, 0x10, 0x00, 0x00, 0x41]],
  ['an extension that makes a record', [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01]],
  ['an extension that makes a regular expression', [0xc7, 0x01, 0x78, 0x92, 0xa1, 0x61, 0xa0]],
  ['the byte that MessagePack never uses', [0xc1]],
  ['a map with a map as key', [0x81, 0x80, 0xc0]],
  ['a map with nil as key', [0x81, 0xc0, 0xc0]],
])('%s is refused', (_name, bytes) => {
  expect(messageProblem(Buffer.from(bytes))).toBeDefined();
});

test('nesting is bounded', () => {
  const nested = (depth: number): Buffer => Buffer.concat([Buffer.alloc(depth, 0x91), Buffer.from([0xc0])]);
  expect(messageProblem(nested(NESTING_MAX))).toBeUndefined();
  expect(messageProblem(nested(NESTING_MAX + 1))).toMatch(/nested deeper/);
});

test('fields that are undefined are left out, so that a schema sees them as absent', () => {
  expect(decodeBody(encodeBody({ a: undefined, b: 1, c: [undefined] }))).toEqual({ b: 1, c: [null] });
  expect(Object.keys(decodeBody(encodeBody({ a: undefined })) as object)).toEqual([]);
  expect(decodeBody(encodeBody(undefined))).toBeUndefined();
});

test('binaries come out as bytes that do not hold on to the body', () => {
  const body = encodeBody({ bytes: new Uint8Array([1, 2, 3]) });
  const { bytes } = decodeBody(body) as { bytes: Uint8Array };
  expect(bytes).toBeInstanceOf(Uint8Array);
  expect([...bytes]).toEqual([1, 2, 3]);
  expect(bytes.buffer).not.toBe(body.buffer);
});

test('integers that fit are numbers, whatever width another language gave them', () => {
  expect(decodeBody(Buffer.from([0xcf, 0, 0, 0, 0, 0, 0, 0, 7]))).toBe(7);
  expect(decodeBody(Buffer.from([0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]))).toBe(-2);
});

test('timestamps pass', () => {
  const date = new Date('2026-01-02T03:04:05.678Z');
  expect(decodeBody(new Packr({ useRecords: false }).pack({ date }))).toEqual({ date });
});

test('a string is UTF-8 exactly where a strict decoder says so', () => {
  const strict = new TextDecoder('utf-8', { fatal: true });
  const says = (bytes: Uint8Array): boolean => {
    try {
      strict.decode(bytes);
      return true;
    } catch {
      return false;
    }
  };
  const edges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff];
  for (const first of edges)
    for (const second of edges)
      for (const third of edges)
        for (const last of [0x41, 0x80, 0xbf, 0xc2]) {
          const bytes = Uint8Array.of(first, second, third, last);
          for (const to of [1, 2, 3, 4])
            if (isUtf8(bytes, 0, to) !== says(bytes.subarray(0, to))) throw new Error(`wrong about ${bytes.subarray(0, to)}`);
        }
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 12 }),
        fc.string({ unit: 'binary' }).map((text) => new TextEncoder().encode(text)),
      ),
      (bytes) => {
        expect(isUtf8(bytes, 0, bytes.length)).toBe(says(bytes));
      },
    ),
  );
});
