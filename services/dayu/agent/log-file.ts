/** Logs of instances. A process writes straight into its file, so that nobody who dies or waits can stop it; what the agent does is to bound and to read. */
import { copyFile, open, stat, truncate } from 'node:fs/promises';

/** What a failure tells of the log. */
export const TAIL_BYTES = 4096;
/** Enough for a day of a service that says a line a second; one older file of this size is kept beside it. */
export const LOG_BYTES_MAX = 16 * 1024 * 1024;

export async function fileBytes(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.size ?? 0;
}

/** The end of what was written since the file had `from` bytes. */
export async function logTail(file: string, from: number): Promise<string> {
  const size = await fileBytes(file);
  // A file that became shorter was turned over meanwhile.
  const start = Math.max(size < from ? 0 : from, size - TAIL_BYTES);
  const bytes = await readBytes(file, start, size - start);
  return bytes.toString('utf8').trimEnd();
}

/** Up to `length` bytes from `offset`; none when there is no such file. */
export async function readBytes(file: string, offset: number, length: number): Promise<Buffer> {
  const handle = await open(file, 'r').catch(() => undefined);
  if (!handle) return Buffer.alloc(0);
  try {
    const { size } = await handle.stat();
    const bytes = Buffer.alloc(Math.max(0, Math.min(length, size - offset)));
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, offset);
    return bytes.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/**
 * Turns a log over when it is too long: its content goes to `<file>.1`, in place of what was there. The process holds the file open for appending, so it is
 * emptied and not renamed; lines that are written between copy and emptying are lost, and so is the copy when the disk is full.
 */
export async function boundLog(file: string, bytesMax: number): Promise<boolean> {
  if ((await fileBytes(file)) <= bytesMax) return false;
  await copyFile(file, `${file}.1`).catch(() => {});
  await truncate(file, 0);
  return true;
}
