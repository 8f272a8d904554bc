import { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { TRANSFER_BYTES_MAX } from '../chunk-contract.ts';
import { PanguError, type PanguFile, type StreamOptions } from '../contract.ts';
import { ReadWindow } from '../core/read-window.ts';
import type { OpenedReader } from './open-reader.ts';

/** Between two looks at a file that is followed: while it grows, and when nothing came for a while. */
const FOLLOW_MS_MIN = 100;
const FOLLOW_MS_MAX = 1_000;

/** `start` and `end` are inclusive, as in node:fs. */
export function createReadStream(open: () => Promise<OpenedReader>, range: StreamOptions = {}): Readable {
  const start = range.start ?? 0;
  const end = Math.min(range.end ?? Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER - 1);
  const destroyed = new AbortController();
  const signal = range.signal ? AbortSignal.any([range.signal, destroyed.signal]) : destroyed.signal;
  async function* pieces(): AsyncGenerator<Buffer> {
    if (!Number.isSafeInteger(start) || start < 0 || !Number.isSafeInteger(end) || end < start - 1)
      throw new PanguError('EINVAL', `no range: ${start} to ${end}`);
    const file = await open();
    let stop = Math.min(end + 1, file.length);
    const ahead: Ahead[] = [];
    const window = new ReadWindow();
    let at = start;
    try {
      for (;;) {
        if (at >= stop && ahead.length === 0) {
          if (!range.follow || at > end || !(await grown(file, at, signal))) return;
          stop = Math.min(end + 1, file.length);
        }
        while (at < stop && ahead.length < window.pieces) {
          // Ends at multiples of the transfer size, where blocks end too, whatever the start.
          const next = Math.min(stop, (Math.floor(at / TRANSFER_BYTES_MAX) + 1) * TRANSFER_BYTES_MAX);
          ahead.push(readAhead(file, at, next - at));
          at = next;
        }
        const first = ahead.shift();
        if (!first) continue;
        window.wanted(!first.there);
        yield await first.bytes;
      }
    } finally {
      await file.close();
    }
  }
  const stream = Readable.from(pieces(), { objectMode: false, highWaterMark: TRANSFER_BYTES_MAX });
  // A generator that waits cannot be told to return: one that follows would look for more for ever.
  const destroy = stream._destroy;
  stream._destroy = (error, callback) => {
    destroyed.abort();
    destroy.call(stream, error, callback);
  };
  return stream;
}

interface Ahead {
  bytes: Promise<Buffer>;
  there: boolean;
}

function readAhead(file: OpenedReader, at: number, length: number): Ahead {
  const ahead: Ahead = { bytes: file.read(at, length), there: false };
  ahead.bytes.then(
    () => {
      ahead.there = true;
    },
    () => {}, // heard when its turn comes, if it does
  );
  return ahead;
}

/** Waits until a file is longer than `at`; false when the signal aborts first. */
async function grown(file: OpenedReader, at: number, signal: AbortSignal): Promise<boolean> {
  for (let pauseMs = FOLLOW_MS_MIN; ; pauseMs = Math.min(pauseMs * 1.5, FOLLOW_MS_MAX)) {
    if (signal.aborted) return false;
    await file.look();
    if (file.length > at) return true;
    await delay(pauseMs, undefined, { signal }).catch(() => {});
  }
}

/** Closes the file at its end; gives it up when it is destroyed before. */
export function createWriteStream(open: () => Promise<PanguFile>): Writable {
  let file: PanguFile | undefined;
  let closed = false;
  const then = (work: Promise<unknown>, callback: (error?: Error | null) => void): void => {
    work.then(() => callback(), callback);
  };
  return new Writable({
    highWaterMark: TRANSFER_BYTES_MAX,
    construct(callback) {
      then(
        open().then((opened) => {
          file = opened;
        }),
        callback,
      );
    },
    write(bytes: Buffer, _encoding, callback) {
      then(file!.write(bytes), callback);
    },
    final(callback) {
      then(
        file!.close().then(() => {
          closed = true;
        }),
        callback,
      );
    },
    destroy(error, callback) {
      if (!file || closed) return callback(error);
      file.abort().then(
        () => callback(error),
        (failure) => callback(error ?? failure),
      );
    },
  });
}
