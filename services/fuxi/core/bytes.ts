/** Order and equality of byte ranges. Keys are compared byte by byte, unsigned, shorter first; that is the order of every run. */

export function compareBytes(a: Uint8Array, aStart: number, aEnd: number, b: Uint8Array, bStart: number, bEnd: number): number {
  const common = Math.min(aEnd - aStart, bEnd - bStart);
  for (let i = 0; i < common; i++) {
    const difference = a[aStart + i]! - b[bStart + i]!;
    if (difference !== 0) return difference;
  }
  return aEnd - aStart - (bEnd - bStart);
}

export function equalBytes(a: Uint8Array, aStart: number, aEnd: number, b: Uint8Array, bStart: number, bEnd: number): boolean {
  const length = aEnd - aStart;
  if (bEnd - bStart !== length) return false;
  for (let i = 0; i < length; i++) if (a[aStart + i] !== b[bStart + i]) return false;
  return true;
}

/** Copies a short range without making a view of it; for long ones the runtime's own copy is faster. */
export function copyBytes(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
  if (end - start > 64) to.set(from.subarray(start, end), at);
  else for (let i = start, o = at; i < end; i++, o++) to[o] = from[i]!;
  return at + end - start;
}

/** A whole number in decimal ASCII at `at`. @returns where it ends. */
export function writeDecimal(value: number, to: Uint8Array, at: number): number {
  let rest = Math.abs(value);
  let digits = 1;
  for (let power = 10; power <= rest; power *= 10) digits++;
  let end = at;
  if (value < 0) to[end++] = 0x2d;
  end += digits;
  for (let o = end - 1; digits > 0; o--, digits--) {
    const next = Math.floor(rest / 10);
    to[o] = 0x30 + (rest - next * 10);
    rest = next;
  }
  return end;
}

/** Bytes of the longest decimal that `writeDecimal` writes: a sign and 16 digits. */
export const DECIMAL_BYTES_MAX = 17;

/** The whole number that stands in decimal ASCII in a range, or NaN when something else, or one beyond 2^53, stands there. */
export function parseDecimal(bytes: Uint8Array, start: number, end: number): number {
  const negative = bytes[start] === 0x2d;
  const first = negative ? start + 1 : start;
  if (first === end) return Number.NaN;
  let value = 0;
  for (let i = first; i < end; i++) {
    const digit = bytes[i]! - 0x30;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  if (value > Number.MAX_SAFE_INTEGER) return Number.NaN;
  return negative ? -value : value;
}

const NEWLINE = 0x0a;

export function countNewlines(bytes: Uint8Array, start: number, end: number): number {
  let count = 0;
  for (let i = start; i < end; i++) if (bytes[i] === NEWLINE) count++;
  return count;
}
