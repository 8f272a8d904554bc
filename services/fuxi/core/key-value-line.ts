/**
 * The streaming convention of commands: one record a line, `key\tvalue\n`. The key ends at the first tab; a line without a tab is a key with
 * an empty value. So a key that goes to a command has neither tab nor newline in it, and a value no newline.
 */
import { copyBytes } from './bytes.ts';
import type { Groups } from './groups.ts';
import { allocate } from './memory.ts';

const TAB = 0x09;
const NEWLINE = 0x0a;

/** Where the key of a line ends. The value begins one further, unless this is the line's end. */
export function keyEndOf(buffer: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) if (buffer[i] === TAB) return i;
  return end;
}

/** Whether a record keeps its form as a line. */
export function fitsLine(
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
  value: Uint8Array,
  valueStart: number,
  valueEnd: number,
): boolean {
  for (let i = keyStart; i < keyEnd; i++) if (key[i] === TAB || key[i] === NEWLINE) return false;
  for (let i = valueStart; i < valueEnd; i++) if (value[i] === NEWLINE) return false;
  return true;
}

const BLOCK_BYTES = 256 * 1024;

/**
 * A sorted sequence as lines, in blocks of new memory (whoever gets one may keep it).
 * @throws whatever `refuse` throws for a record that does not keep its form.
 */
export function* encodeLines(groups: Groups, refuse: () => never): Generator<Uint8Array> {
  let block = allocate(BLOCK_BYTES);
  let used = 0;
  while (groups.next()) {
    const { key, keyStart, keyEnd } = groups;
    while (groups.nextValue()) {
      const { value, valueStart, valueEnd } = groups;
      if (!fitsLine(key, keyStart, keyEnd, value, valueStart, valueEnd)) refuse();
      const room = keyEnd - keyStart + valueEnd - valueStart + 2;
      if (room > block.length - used) {
        if (used > 0) yield block.subarray(0, used);
        block = allocate(Math.max(BLOCK_BYTES, room));
        used = 0;
      }
      used = copyBytes(key, keyStart, keyEnd, block, used);
      block[used++] = TAB;
      used = copyBytes(value, valueStart, valueEnd, block, used);
      block[used++] = NEWLINE;
    }
  }
  if (used > 0) yield block.subarray(0, used);
}
