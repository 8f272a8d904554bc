import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Files and directories below `directory`, and itself, are on the disk when this returns: a rename after it makes visible only what is there. */
export async function syncTree(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await syncTree(path);
    else if (entry.isFile()) await syncPath(path);
  }
  await syncDirectory(directory);
}

/** The names in a directory are on the disk when this returns. */
export const syncDirectory = (directory: string): Promise<void> => syncPath(directory);

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
