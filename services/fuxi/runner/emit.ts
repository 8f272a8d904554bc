/**
 * The `emit` that module programs are given: text becomes bytes in memory that is used again, and the record goes to the output.
 *
 * There is one `emit` per process, which is turned to each attempt's output in its time. A program's calls of it are compiled into the program's loop as
 * long as they always meet the same function; with one per attempt a word count loses a third of its speed at the second.
 */
import { NO_BYTES } from '../core/memory.ts';
import type { Bytes, Emit, Value } from '../sdk.ts';
import type { AttemptOutput } from './output.ts';

let output: AttemptOutput;

/** Turns `emit` to this output. */
export function emitTo(next: AttemptOutput): Emit {
  output = next;
  return emit;
}

function range(buffer: Uint8Array, start: number, end: number, value?: Value): void {
  if (!(start >= 0 && start <= end && end <= buffer.length)) {
    throw new RangeError(`emit.range: ${start} to ${end} is not a range of a buffer of ${buffer.length} bytes`);
  }
  if (typeof value === 'number' && Number.isSafeInteger(value)) output.number(buffer, start, end, value);
  else if (value === undefined) output.record(buffer, start, end, NO_BYTES, 0, 0);
  else if (value instanceof Uint8Array) output.record(buffer, start, end, value, 0, value.length);
  else output.record(buffer, start, end, valueText.bytes, 0, valueText.set(String(value)));
}

/** Text as UTF-8, in one buffer that grows. */
class TextBytes {
  bytes: Buffer = Buffer.allocUnsafeSlow(1024);

  set(text: string): number {
    // A UTF-16 unit takes at most three bytes of UTF-8.
    if (text.length * 3 > this.bytes.length) this.bytes = Buffer.allocUnsafeSlow(text.length * 3 * 2);
    return this.bytes.write(text, 'utf8');
  }
}

const keyText = new TextBytes();
const valueText = new TextBytes();

const emit: Emit = Object.assign(
  (key: Bytes, value?: Value): void => {
    if (typeof key !== 'string') return range(key, 0, key.length, value);
    const end = keyText.set(key);
    range(keyText.bytes, 0, end, value);
  },
  { range },
);
