import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { relative } from 'node:path';
import type * as disk from '../../services/pangu/chunk/disk.ts';

/**
 * What chunk files are written with, on real files, that remembers what each write since the last sync of its file replaced. So a copy of a directory can be
 * made what a loss of power might have left of it: of each sector written since the last sync, the old or the new bytes.
 * For `vi.mock`; sectors do not tear within themselves.
 */
type Disk = typeof disk;
const SECTOR_BYTES = 512;

interface Unsynced {
  position: number;
  before: Buffer;
}

const paths = new Map<number, string>();
const unsynced = new Map<string, Unsynced[]>();

export function tearable(real: Disk): Disk {
  return {
    ...real,
    openFile: async (path, flags) => {
      const fd = await real.openFile(path, flags);
      paths.set(fd, path);
      return fd;
    },
    pwrite: async (fd, pieces, position) => {
      const before = Buffer.alloc(pieces.reduce((sum, piece) => sum + piece.length, 0));
      readSync(fd, before, 0, before.length, position);
      const path = paths.get(fd)!;
      const list = unsynced.get(path) ?? [];
      unsynced.set(path, list);
      list.push({ position, before });
      await real.pwrite(fd, pieces, position);
    },
    fdatasync: async (fd) => {
      const path = paths.get(fd)!;
      const covered = unsynced.get(path)?.length ?? 0;
      await real.fdatasync(fd);
      unsynced.get(path)?.splice(0, covered);
    },
  };
}

/** `copy` was made of `original` just now: chosen sectors of it get back what they were. @returns how many. */
export function losePower(original: string, copy: (path: string) => string, random: () => number): number {
  let reverted = 0;
  for (const [path, writes] of unsynced) {
    if (relative(original, path).startsWith('..')) continue;
    const fd = openSync(copy(path), 'r+');
    for (const { position, before } of [...writes].reverse()) {
      // Sometimes all of it, so that long writes are lost whole too.
      const chance = random() < 0.3 ? 1 : random();
      const start = position - (position % SECTOR_BYTES);
      for (let at = start; at < position + before.length; at += SECTOR_BYTES) {
        if (random() >= chance) continue;
        const from = Math.max(at, position);
        const to = Math.min(at + SECTOR_BYTES, position + before.length);
        writeSync(fd, before, from - position, to - from, from);
        reverted++;
      }
    }
    closeSync(fd);
  }
  return reverted;
}

/** Forgets what is below a directory that is done with. */
export function forgetUnsynced(directory: string): void {
  for (const path of unsynced.keys()) if (!relative(directory, path).startsWith('..')) unsynced.delete(path);
}
