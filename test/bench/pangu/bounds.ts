/** What a disk and a socket do by themselves, here and now: nothing that keeps files on this disk, or sends them through sockets of Node, passes it. */
import { closeSync, fdatasyncSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Pair } from '../kuafu/pair.ts';
import { repeat } from './load.ts';
import { PIECE_BYTES, type Stage } from './stage.ts';

/** One file, a megabyte at a time, synced at its end. It stays, to be read. */
export function writeAndSync({ directory, bigBytes, piece }: Stage): void {
  const fd = openSync(join(directory, 'big'), 'w');
  for (let at = 0; at < bigBytes; at += PIECE_BYTES) writeSync(fd, piece);
  fdatasyncSync(fd);
  closeSync(fd);
}

/** From the kernel's memory, where what was just written is. */
export function readBack({ directory }: Stage): void {
  const fd = openSync(join(directory, 'big'), 'r');
  const into = Buffer.allocUnsafe(PIECE_BYTES);
  while (readSync(fd, into) > 0);
  closeSync(fd);
  rmSync(join(directory, 'big'));
}

/** Appends of so many bytes, each synced. */
export async function appendAndSync({ directory, piece, seconds }: Stage, bytes: number) {
  const path = join(directory, 'appends');
  const fd = openSync(path, 'a');
  const record = piece.subarray(0, bytes);
  try {
    return await repeat(
      async () => {
        writeSync(fd, record);
        fdatasyncSync(fd);
      },
      { seconds: seconds / 2, inFlight: 1 },
    );
  } finally {
    closeSync(fd);
    rmSync(path);
  }
}

/** Messages of a megabyte from one process to another through node:net. */
export async function socketMegabytesPerSecond(seconds: number): Promise<number> {
  const pair = await Pair.start('net', { packages: '' });
  try {
    await pair.stream('down', 0.5);
    return (await pair.stream('down', seconds)).perSecond;
  } finally {
    pair.stop();
  }
}
