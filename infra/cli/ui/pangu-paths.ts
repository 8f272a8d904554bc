import { hasCode } from '../../../services/base/errors.ts';
import { type FileStat, type PanguClient, PanguError } from '../../../services/pangu/contract.ts';
import { TRASH_NAME } from '../../../services/pangu/core/trash.ts';

const TRASH = `/${TRASH_NAME}`;

/** `posix.join` would make one slash of the two in `pangu://`. */
export const childPath = (directory: string, name: string): string => `${directory.replace(/\/+$/, '')}/${name}`;

const isPattern = (path: string): boolean => /[*?[\]{}]/.test(path);

/**
 * What a path or a pattern names. A file that really has such a name is meant before those that it matches: whoever types what `ls` showed means that one.
 * The trash is named only by its name.
 */
export async function expand(pangu: PanguClient, pattern: string): Promise<FileStat[]> {
  if (!isPattern(pattern)) return [await pangu.stat(pattern)];
  const named = await panguStat(pangu, pattern);
  if (named) return [named];
  const found = (await pangu.glob(pattern, { directories: true })).filter(({ path }) => path !== TRASH);
  if (found.length === 0) throw new PanguError('ENOENT', `nothing matches ${pattern}`);
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

/** A file that nobody writes to. */
export async function closedFile(pangu: PanguClient, path: string): Promise<FileStat | undefined> {
  const found = await panguStat(pangu, path);
  return found?.type === 'file' && found.state === 'closed' ? found : undefined;
}

/** What is in a directory, without the trash: what was removed is not copied or changed with the rest. */
export async function* childrenOf(pangu: PanguClient, directory: string): AsyncGenerator<FileStat> {
  for await (const entry of pangu.readdir(directory)) if (entry.path !== TRASH) yield entry;
}

/** What paths and patterns name; with `recursive` also all below directories, each after the directory it is in. */
export async function* walkEntries(pangu: PanguClient, patterns: readonly string[], recursive: boolean): AsyncGenerator<FileStat> {
  for (const pattern of patterns) for (const found of await expand(pangu, pattern)) yield* below(pangu, found, recursive);
}

async function* below(pangu: PanguClient, entry: FileStat, recursive: boolean): AsyncGenerator<FileStat> {
  yield entry;
  if (entry.type === 'directory' && recursive) for await (const child of childrenOf(pangu, entry.path)) yield* below(pangu, child, true);
}

/** The files among them. A directory without `recursive` is a mistake. */
export async function* walkFiles(pangu: PanguClient, patterns: readonly string[], recursive: boolean): AsyncGenerator<FileStat> {
  for await (const entry of walkEntries(pangu, patterns, recursive)) {
    if (entry.type === 'file') yield entry;
    else if (!recursive) throw new Error(`EISDIR: ${entry.path} is a directory (-R takes all files below it)`);
  }
}
