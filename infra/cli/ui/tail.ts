import type { PanguFile } from '../../../services/pangu/contract.ts';

const STEP_BYTES = 64 * 1024;
const PROBE_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

type Readable = Pick<PanguFile, 'read'>;

/** Where a file ends now; one that is being written may be longer than is recorded. */
export async function endOf(file: Readable, size: number): Promise<number> {
  for (let end = size; ; ) {
    const { length } = await file.read(end, PROBE_BYTES);
    end += length;
    if (length < PROBE_BYTES) return end;
  }
}

/** Where the last so many lines begin, read from the end backwards. What stands after the last newline is a line too. */
export async function startOfLines(file: Readable, end: number, lines: number): Promise<number> {
  if (lines === 0) return end;
  let left = lines;
  for (let to = end; to > 0; ) {
    const from = Math.max(0, to - STEP_BYTES);
    const piece = await file.read(from, to - from);
    for (let i = piece.length - 1; i >= 0; i--) {
      // The newline at the very end closes the last line, and begins none.
      if (piece[i] !== NEWLINE || from + i === end - 1) continue;
      if (--left === 0) return from + i + 1;
    }
    to = from;
  }
  return 0;
}
