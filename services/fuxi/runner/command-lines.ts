/** Both sides of a command: input pieces as its lines, its lines as records. */
import { FuxiError, type RecordFormat } from '../contract.ts';
import { countNewlines } from '../core/bytes.ts';
import type { Cursor } from '../core/cursor.ts';
import { Groups } from '../core/groups.ts';
import { encodeLines, keyEndOf } from '../core/key-value-line.ts';
import { createCutter } from '../core/record-cutter.ts';
import type { Piece } from './input-files.ts';
import type { AttemptOutput } from './output.ts';
import type { InputCounts } from './parts.ts';

const NEWLINE = 0x0a;

/** Records as they stand; a file's last line gets its `\n` if it has none, so that the next file's first line stays a line of its own. */
export async function* piecesForCommand(
  pieces: AsyncIterable<Piece>,
  format: RecordFormat,
  counts: InputCounts,
): AsyncGenerator<Uint8Array> {
  let open = false;
  const newline = Uint8Array.of(NEWLINE);
  for await (const { block, start, end, first } of pieces) {
    if (first && open) {
      counts.recordsIn++;
      yield newline;
    }
    const bytes = block.subarray(start, end);
    counts.bytesIn += bytes.length;
    if (format.kind === 'lines') {
      counts.recordsIn += countNewlines(bytes, 0, bytes.length);
      open = bytes.at(-1) !== NEWLINE;
    } else {
      counts.recordsIn = Math.floor(counts.bytesIn / format.bytes);
    }
    yield bytes;
  }
  if (open) {
    counts.recordsIn++;
    yield newline;
  }
}

/** `key\tvalue\n` for each record of a partition. */
export function* groupsForCommand(cursor: Cursor, counts: InputCounts): Generator<Uint8Array> {
  const groups = new Groups(cursor);
  const refuse = (): never => {
    throw new FuxiError(
      'InputCorrupt',
      'a key with a tab or newline, or a value with a newline, cannot be given to a command; use a module to read it',
    );
  };
  for (const block of encodeLines(groups, refuse)) {
    counts.recordsIn = groups.records;
    counts.bytesIn = groups.bytes;
    yield block;
  }
}

/** Cuts standard output into lines and these into keys and values. */
export class CommandRecords {
  readonly #cutter = createCutter({ kind: 'lines' });
  readonly #output: AttemptOutput;

  constructor(output: AttemptOutput) {
    this.#output = output;
  }

  feed(bytes: Uint8Array): void {
    this.#cutter.feed(bytes, 0, bytes.length);
    this.#cut();
  }

  finish(): void {
    this.#cutter.finish();
    this.#cut();
  }

  #cut(): void {
    const cutter = this.#cutter;
    while (cutter.next()) {
      const { buffer, start, end } = cutter;
      const keyEnd = keyEndOf(buffer, start, end);
      this.#output.record(buffer, start, keyEnd, buffer, Math.min(keyEnd + 1, end), end);
    }
  }
}
