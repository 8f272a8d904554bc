import { type FileHandle, open } from 'node:fs/promises';
import type { FileStat, PanguClient } from '../../../../services/pangu/contract.ts';
import { crc } from '../../../../services/pangu/crc.ts';

/** In one read of a local file. */
export const PIECE_BYTES = 1024 * 1024;

/** Of bytes, wherever they are: those with another print are others. */
export const bytesPrint = (bytes: number, sum: number): string => `${bytes}:${sum}`;

/** Of a file in Pangu, without reading it. */
export const statPrint = ({ size, createdAtMs, modifiedAtMs }: FileStat): string => `${size}:${createdAtMs}:${modifiedAtMs}`;

/** @returns nothing when there is no such file to be read. */
export async function localPrint(path: string): Promise<string | undefined> {
  const handle = await open(path, 'r').catch(() => undefined);
  try {
    const found = await handle?.stat();
    if (!found?.isFile()) return undefined;
    return bytesPrint(found.size, await localSum(handle!, found.size));
  } finally {
    await handle?.close();
  }
}

/** CRC32C of the first `length` bytes, or of all if there are fewer. */
export async function localSum(handle: FileHandle, length: number): Promise<number> {
  const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(PIECE_BYTES, length)));
  let sum = 0;
  for (let at = 0; at < length; ) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, length - at), at);
    if (bytesRead === 0) break;
    sum = crc(buffer.subarray(0, bytesRead), sum);
    at += bytesRead;
  }
  return sum;
}

export async function panguPrint(pangu: PanguClient, path: string): Promise<string> {
  let bytes = 0;
  let sum = 0;
  for await (const piece of pangu.createReadStream(path)) {
    bytes += (piece as Buffer).length;
    sum = crc(piece as Buffer, sum);
  }
  return bytesPrint(bytes, sum);
}
