import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { type ChunkDisk, removeAside } from './chunk-disk.ts';

/**
 * Brings moves between disks to an end that a crash interrupted (move-chunk.ts says how one goes). Only what lies aside is looked at, a file for each
 * move that was under way.
 *
 * A file aside that is in its place too, under a second name, was copied whole: that one is the chunk now, and those on other disks go. Else it is of no
 * use. One disk after the other: should two claim the same chunk, the one that is settled first is the one that stays.
 */
export async function settleMoves(disks: readonly ChunkDisk[], log: Logger): Promise<void> {
  for (const disk of disks.filter(({ failed }) => !failed)) {
    try {
      for (const chunk of await readdir(join(disk.path, 'moving'))) await settle(chunk, disk, disks, log);
    } catch (error) {
      log.error({ disk: disk.id, error: messageOf(error) }, 'chunk.moves.unsettled');
      await disk.look();
    }
  }
}

async function settle(chunk: string, disk: ChunkDisk, disks: readonly ChunkDisk[], log: Logger): Promise<void> {
  const [aside, inPlace] = await Promise.all([stat(disk.pathAside(chunk)), stat(disk.pathOf(chunk)).catch(() => undefined)]);
  const arrived = aside.ino === inPlace?.ino;
  if (arrived) {
    await disk.syncDirectory();
    await Promise.all(disks.filter((other) => other !== disk && !other.failed).map((other) => other.remove(chunk)));
  }
  await removeAside(disk, chunk);
  log.info({ chunk, disk: disk.id, arrived }, 'chunk.move.settled');
}
