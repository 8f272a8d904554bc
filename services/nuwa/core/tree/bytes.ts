import { PATH_BYTES_MAX } from '../../contract.ts';

/** The value of a node that was given none; shared, since most directories have it. */
export const NO_BYTES = new Uint8Array(0);

/**
 * How the tree keeps a value. A small one is kept as a text of one byte per character, since that is what V8 stores most cheaply: 100 bytes
 * take 128 as a text, 204 as a view of a shared slab and 540 as an array with a buffer of its own (measured, Node 20); it is the fastest to
 * make, too, and halves what the garbage collector has to mark. And it is a copy, which it must be: a slice of the log entry that it came
 * with would keep that whole entry in memory for as long as the node stays as it is.
 */
export type PackedBytes = string | Uint8Array;

/** A node that was given no value, as ZooKeeper's clients may: read as an empty one by all who do not ask. */
export type PackedValue = PackedBytes | null;

/** Above this an array's own cost is small beside its bytes, and a text would have to be turned back at each read. */
const TEXT_BYTES_MAX = 4_096;

/** Buffer's own method, which takes any view of bytes; its types do not name it. */
const latin1Slice = (Buffer.prototype as unknown as { latin1Slice(this: Uint8Array, start: number, end: number): string }).latin1Slice;

export function packBytes(bytes: Uint8Array): PackedBytes {
  return packPart(bytes, 0, bytes.length);
}

/** The bytes from `begin` to before `end`: without a view of them, which costs as much as the rest. */
export function packPart(bytes: Uint8Array, begin: number, end: number): PackedBytes {
  if (end - begin > TEXT_BYTES_MAX) return new Uint8Array(bytes.subarray(begin, end));
  return begin === end ? '' : latin1Slice.call(bytes, begin, end);
}

export function unpackBytes(packed: PackedValue): Uint8Array {
  if (packed === null) return NO_BYTES;
  if (typeof packed !== 'string') return packed;
  return packed.length === 0 ? NO_BYTES : Buffer.from(packed, 'latin1');
}

/**
 * The text as one of its own. A part of a text is but a view of the whole in V8, from 13 characters on: a name cut out of a path would keep the
 * path, and a path that a decoder cut out of a batch, the batch. So what the tree keeps for long is made its own first.
 */
export function ownText(text: string): string {
  if (text.length < VIEW_LENGTH_MIN) return text;
  if (text.length > scratch.length || !isOneByte(text)) return Buffer.from(text, 'utf16le').toString('utf16le');
  return latin1Slice.call(scratch, 0, scratch.write(text, 'latin1'));
}

const VIEW_LENGTH_MIN = 13;
/** Room for a path; holds nothing from one call to the next. */
const scratch = Buffer.allocUnsafeSlow(PATH_BYTES_MAX);

function isOneByte(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 255) return false;
  return true;
}
