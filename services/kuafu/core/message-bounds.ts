/**
 * What a MessagePack body may be, checked before it is decoded. A few bytes can claim four thousand million elements, nest a
 * thousand arrays, or name an extension that a decoder turns into code; walking the tokens first costs little and lets none of it through.
 *
 * Strings must be UTF-8, for decoders make other bytes into U+FFFD: what is checked would not be what was sent.
 *
 * Allowed: nil, booleans, integers, floats, strings, binaries, arrays, maps with string or integer keys, and the timestamp extension (type -1).
 */
export const NESTING_MAX = 64;
const TIMESTAMP = 0xff;
export const NO_UTF8 = 'a string that is no UTF-8';

// Used by one walk at a time; remade for each they would cost more than a small body does.
/** How many values are still to come at each depth. A map of n counts as 2n, with a key at every even remainder. */
const remaining = new Int32Array(NESTING_MAX + 1);
const isMap = new Uint8Array(NESTING_MAX + 1);

/** In one sentence what is wrong with the body, or undefined. */
export function messageProblem(body: Buffer): string | undefined {
  const end = body.length;
  remaining[0] = 1;
  isMap[0] = 0;
  let depth = 0;
  let at = 0;
  while (depth >= 0) {
    if (remaining[depth] === 0) {
      depth--;
      continue;
    }
    if (at >= end) return 'the body ends within a value';
    const key = isMap[depth] === 1 && remaining[depth]! % 2 === 0;
    remaining[depth]!--;
    const token = body[at++]!;
    if (token < 0x80 || token >= 0xe0) continue;
    let children = -1;
    let map = false;
    let textAt = -1;
    if (token < 0x90) {
      children = (token & 0x0f) * 2;
      map = true;
    } else if (token < 0xa0) children = token & 0x0f;
    else if (token < 0xc0) {
      textAt = at;
      at += token & 0x1f;
    } else {
      if (at + LENGTH_BYTES[token - 0xc0]! > end) return 'the body ends within a value';
      if (key && !(token >= 0xd9 && token <= 0xdb) && !(token >= 0xcc && token <= 0xd3))
        return 'a map key is neither a string nor an integer';
      switch (token) {
        case 0xc1:
          return 'the byte 0xc1, which MessagePack never uses';
        case 0xc4:
          at += 1 + body[at]!;
          break;
        case 0xc5:
          at += 2 + body.readUInt16BE(at);
          break;
        case 0xc6:
          at += 4 + body.readUInt32BE(at);
          break;
        case 0xd9:
          textAt = at + 1;
          at = textAt + body[at]!;
          break;
        case 0xda:
          textAt = at + 2;
          at = textAt + body.readUInt16BE(at);
          break;
        case 0xdb:
          textAt = at + 4;
          at = textAt + body.readUInt32BE(at);
          break;
        case 0xc7:
          if (body[at + 1] !== TIMESTAMP) return `an extension of type ${body.readInt8(at + 1)}`;
          at += 2 + body[at]!;
          break;
        case 0xc8:
        case 0xc9:
          return 'an extension that is no timestamp';
        case 0xd4:
        case 0xd5:
        case 0xd6:
        case 0xd7:
        case 0xd8:
          if (body[at] !== TIMESTAMP) return `an extension of type ${body.readInt8(at)}`;
          at += 1 + (1 << (token - 0xd4));
          break;
        case 0xdc:
          children = body.readUInt16BE(at);
          at += 2;
          break;
        case 0xdd:
          children = body.readUInt32BE(at);
          at += 4;
          break;
        case 0xde:
          children = body.readUInt16BE(at) * 2;
          map = true;
          at += 2;
          break;
        case 0xdf:
          children = body.readUInt32BE(at) * 2;
          map = true;
          at += 4;
          break;
        default:
          at += LENGTH_BYTES[token - 0xc0]!; // nil, booleans, numbers
      }
    }
    if (children >= 0) {
      if (key) return 'a map key is neither a string nor an integer';
      if (children > end - at) return `a list of ${children} values in ${end - at} bytes`; // each value is one byte at least
      if (++depth > NESTING_MAX) return `values nested deeper than ${NESTING_MAX}`;
      remaining[depth] = children;
      isMap[depth] = map ? 1 : 0;
    } else if (at > end) return 'the body ends within a value';
    else if (textAt >= 0 && !isUtf8(body, textAt, at)) return NO_UTF8;
  }
  return at === end ? undefined : 'bytes after the end of the body';
}

/** As the Unicode standard has it (table 3-7): nothing longer than it need be, no surrogates, nothing beyond U+10FFFF. */
export function isUtf8(bytes: Uint8Array, from: number, to: number): boolean {
  let at = from;
  while (at < to) {
    if (to - at >= WIDE_BYTES_MIN) at = pastAscii(bytes, at, to);
    if (at === to) break;
    const first = bytes[at++]!;
    if (first < 0x80) continue;
    const more = first < 0xc2 ? -1 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : -1;
    if (more < 0 || at + more > to) return false;
    const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
    const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
    if (bytes[at]! < low || bytes[at]! > high) return false;
    for (let i = 1; i < more; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return false;
    at += more;
  }
  return true;
}

/** Nearly all text is ASCII, and four bytes at a time cost a fifth of one by one. */
const WIDE_BYTES_MIN = 16;
let view: DataView = new DataView(new ArrayBuffer(0));

/** Where the next four bytes are not all ASCII, or fewer are left. */
function pastAscii(bytes: Uint8Array, from: number, to: number): number {
  // Bodies lie in one read buffer, mostly: a view of each would cost more than the walk.
  if (view.buffer !== bytes.buffer) view = new DataView(bytes.buffer);
  const base = bytes.byteOffset;
  let at = from;
  while (at + 4 <= to && (view.getUint32(base + at) & 0x8080_8080) === 0) at += 4;
  return at;
}

/** Bytes that must be there after each token from 0xc0 on for its length (or its number) to be read. */
// biome-ignore format: a table, sixteen tokens a row
const LENGTH_BYTES = [
  0, 0, 0, 0, 1, 2, 4, 2, 3, 5, 4, 8, 1, 2, 4, 8,
  1, 2, 4, 8, 1, 1, 1, 1, 1, 1, 2, 4, 2, 4, 2, 4,
];
