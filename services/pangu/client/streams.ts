import { Readable, Writable } from 'node:stream';
import { TRANSFER_BYTES_MAX } from '../chunk-contract.ts';
import { PanguError, type PanguFile } from '../contract.ts';
import type { FileReader } from './file-reader.ts';

/** Pieces read before they are asked for: with 1 MiB each, enough to hide a round trip and a seek. */
const READ_AHEAD = 4;

/** `start` and `end` are inclusive, as in node:fs. */
export function createReadStream(open: () => Promise<FileReader>, range: { start?: number; end?: number } = {}): Readable {
  const start = range.start ?? 0;
  const end = Math.min(range.end ?? Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER - 1);
  async function* pieces(): AsyncGenerator<Buffer> {
    if (!Number.isSafeInteger(start) || start < 0 || !Number.isSafeInteger(end) || end < start - 1)
      throw new PanguError('EINVAL', `no range: ${start} to ${end}`);
    const file = await open();
    const stop = Math.min(end + 1, file.length);
    const ahead: Promise<Buffer>[] = [];
    let at = start;
    try {
      while (at < stop || ahead.length > 0) {
        while (at < stop && ahead.length < READ_AHEAD) {
          // Ends at multiples of the transfer size, where blocks end too, whatever the start.
          const next = Math.min(stop, (Math.floor(at / TRANSFER_BYTES_MAX) + 1) * TRANSFER_BYTES_MAX);
          const piece = file.read(at, next - at);
          piece.catch(() => {}); // heard when its turn comes, if it does
          ahead.push(piece);
          at = next;
        }
        yield await ahead.shift()!;
      }
    } finally {
      await file.close();
    }
  }
  return Readable.from(pieces(), { objectMode: false, highWaterMark: TRANSFER_BYTES_MAX });
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
