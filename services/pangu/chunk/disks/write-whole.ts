import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { DirectorySync } from '../directory-sync.ts';

/** A small file that is there whole or as it was, also after a loss of power. */
export async function writeWhole(directory: string, name: string, text: string): Promise<void> {
  const aside = join(directory, `${name}.new`);
  const file = await open(aside, 'w', 0o640);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, join(directory, name));
  const made = new DirectorySync(directory);
  await made.sync().finally(() => made.close());
}
