import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareBytes, copyBytes, equalBytes, parseDecimal, writeDecimal } from '../../../../services/fuxi/core/bytes.ts';

const bytes = fc.uint8Array({ maxLength: 12 });

test('bytes are ordered as Buffer.compare orders them', () => {
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      expect(Math.sign(compareBytes(a, 0, a.length, b, 0, b.length))).toBe(Buffer.compare(a, b));
      expect(equalBytes(a, 0, a.length, b, 0, b.length)).toBe(Buffer.compare(a, b) === 0);
    }),
  );
});

test('short and long ranges are copied', () => {
  for (const length of [0, 1, 64, 65, 1000]) {
    const from = Uint8Array.from({ length: length + 2 }, (_, i) => i % 251);
    const to = new Uint8Array(length + 3);
    expect(copyBytes(from, 1, length + 1, to, 2)).toBe(length + 2);
    expect(Buffer.compare(to.subarray(2, length + 2), from.subarray(1, length + 1))).toBe(0);
  }
});

test('every whole number is written as it is printed and read back', () => {
  const numbers = fc.oneof(
    fc.maxSafeInteger(),
    fc.integer(),
    fc.constantFrom(0, -1, 9, 10, 99, 100, 2 ** 53 - 1, -(2 ** 53) + 1, 1e15, 1e15 - 1),
  );
  fc.assert(
    fc.property(numbers, (number) => {
      const to = new Uint8Array(20);
      const end = writeDecimal(number, to, 1);
      expect(Buffer.from(to.subarray(1, end)).toString()).toBe(String(number));
      expect(parseDecimal(to, 1, end)).toBe(number);
    }),
    { numRuns: 1_000 },
  );
});

test('what is no whole number is told apart', () => {
  for (const text of ['', '-', '1.5', '1e3', ' 1', '9007199254740993', 'x'])
    expect(parseDecimal(Buffer.from(text), 0, text.length)).toBeNaN();
});
