import { hasCode } from '../../../services/base/errors.ts';
import type { FileStat, PanguClient } from '../../../services/pangu/contract.ts';

/** `posix.join` would make one slash of the two in `pangu://`. */
export const childPath = (directory: string, name: string): string => `${directory.replace(/\/+$/, '')}/${name}`;

/** The files that a pattern names, or the one file or directory that a path names. */
export async function expand(pangu: PanguClient, pattern: string): Promise<FileStat[]> {
  if (!/[*?[\]{}]/.test(pattern)) return [await pangu.stat(pattern)];
  const found = await pangu.glob(pattern);
  if (found.length === 0) throw new Error(`nothing matches ${pattern} (see what is there with: feitian fs ls)`);
  return found;
}

export async function panguStat(pangu: PanguClient, path: string): Promise<FileStat | undefined> {
  try {
    return await pangu.stat(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** What paths and patterns name; with `recursive` also all below directories, each after the directory it is in. */
export async function* walkEntries(pangu: PanguClient, patterns: readonly string[], recursive: boolean): AsyncGenerator<FileStat> {
  for (const pattern of patterns) for (const found of await expand(pangu, pattern)) yield* below(pangu, found, recursive);
}

async function* below(pangu: PanguClient, entry: FileStat, recursive: boolean): AsyncGenerator<FileStat> {
  yield entry;
  if (entry.type === 'directory' && recursive) for await (const child of pangu.readdir(entry.path)) yield* below(pangu, child, true);
}

/** The files among them. A directory without `recursive` is a mistake. */
export async function* walkFiles(pangu: PanguClient, patterns: readonly string[], recursive: boolean): AsyncGenerator<FileStat> {
  for await (const entry of walkEntries(pangu, patterns, recursive)) {
    if (entry.type === 'file') yield entry;
    else if (!recursive) throw new Error(`${entry.path} is a directory; add -R to take all files below it`);
  }
}
