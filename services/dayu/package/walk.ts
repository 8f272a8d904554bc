import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArchiveEntry } from '../core/archive.ts';

export interface FoundEntry extends ArchiveEntry {
  executable: boolean;
}

/** Everything below a directory, each directory before what is in it, by name; without what belongs to the tools that made it and not to it. */
export async function* walk(root: string, below = ''): AsyncGenerator<FoundEntry> {
  const names = (await readdir(join(root, below))).sort();
  for (const name of names) {
    if (name === '.git' || (name === '.cache' && /(^|\/)node_modules$/.test(below))) continue;
    const path = below === '' ? name : `${below}/${name}`;
    const found = await lstat(join(root, path));
    const executable = (found.mode & 0o100) !== 0;
    if (found.isDirectory()) {
      yield { path, kind: 'directory', bytes: 0, executable };
      yield* walk(root, path);
    } else if (found.isSymbolicLink()) {
      yield { path, kind: 'symlink', bytes: 0, target: await readlink(join(root, path)), executable };
    } else {
      yield { path, kind: found.isFile() ? 'file' : 'other', bytes: found.size, executable };
    }
  }
}
