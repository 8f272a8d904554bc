import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { inParallel } from '../../../base/in-parallel.ts';

const AT_ONCE = 4;
const SECTOR_BYTES = 512;

/** How much of the disk the files of a directory take, which may have holes. */
export async function diskBytesOf(directory: string): Promise<number> {
  const names = await readdir(directory).catch(() => []);
  let bytes = 0;
  await inParallel(
    names,
    AT_ONCE,
    () => true,
    async (name) => {
      const found = await stat(join(directory, name)).catch(() => undefined); // it was removed meanwhile
      bytes += (found?.blocks ?? 0) * SECTOR_BYTES;
    },
  );
  return bytes;
}
