/**
 * The streaming convention of commands: one record a line, `key\tvalue\n`. The key ends at the first tab; a line without a tab is a key with
 * an empty value. So a key that goes to a command has neither tab nor newline in it, and a value no newline.
 */
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
