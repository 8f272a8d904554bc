import { ChunkFile } from '../chunk-file.ts';
import { type ChunkDisk, removeQuietly } from './chunk-disk.ts';

/**
 * One chunk on several disks: a disk that was out came back with what a newer copy stands for by now. Any two copies of a chunk begin with the same bytes, so
 * the one that is sealed, and among those alike the longest, has all that the others have. The others go once it was read back whole.
 */
export async function keepBest(chunk: string, disks: readonly ChunkDisk[]): Promise<ChunkDisk> {
  const copies = [];
  for (const disk of disks) {
    try {
      const file = await ChunkFile.open(disk.pathOf(chunk), chunk, disk.syncDirectory, disk.calls);
      copies.push({ disk, file });
    } catch (error) {
      disk.heard(error);
    }
  }
  // None can be opened: whoever opens the first is told why.
  if (copies.length === 0) return disks[0]!;
  copies.sort((a, b) => Number(b.file.sealed) - Number(a.file.sealed) || b.file.length - a.file.length);
  const best = copies[0]!;
  try {
    if (best.file.sealed) {
      await best.file.verify(best.file.length);
      for (const disk of disks) if (disk !== best.disk) await removeQuietly(disk, chunk);
    }
    return best.disk;
  } catch (error) {
    best.disk.heard(error);
    return copies[1]?.disk ?? best.disk;
  } finally {
    for (const { file } of copies) await file.close();
  }
}
