/**
 * Whether bytes are one element of DER (X.690): each length in its shortest form, and what an element holds ending just where it does. Libraries that read it are lenient, and
 * then one request has many texts: a length that is too small by eight is read as if it were right.
 */
const DEPTH_MAX = 32;
const CONSTRUCTED = 0x20;

export function isDer(bytes: Uint8Array): boolean {
  return endOfElement(bytes, 0, bytes.length, 0) === bytes.length;
}

/** Where the element that begins at `at` ends; -1: nowhere before `limit`, or not by these rules. */
function endOfElement(bytes: Uint8Array, at: number, limit: number, depth: number): number {
  if (depth > DEPTH_MAX || at + 2 > limit) return -1;
  const tag = bytes[at]!;
  if ((tag & 0x1f) === 0x1f) return -1; // a tag of several bytes: nothing here has one
  let begin = at + 2;
  let length = bytes[at + 1]!;
  if (length >= 0x80) {
    const count = length - 0x80;
    if (count < 1 || count > 3 || begin + count > limit) return -1;
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + bytes[begin + i]!;
    if (length < 0x80 || length < 256 ** (count - 1)) return -1;
    begin += count;
  }
  const end = begin + length;
  if (end > limit) return -1;
  if (tag & CONSTRUCTED) for (let next = begin; next < end; ) if ((next = endOfElement(bytes, next, end, depth + 1)) < 0) return -1;
  return end;
}
