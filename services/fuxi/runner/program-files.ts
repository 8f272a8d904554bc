/**
 * Where programs are found. With a package: in the package, which lies in the working directory. Without one: in Feitian's program
 * directories, in their order. A module may also be named by its Pangu path. Nothing outside these can be named.
 */
import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { basename, isAbsolute, join, normalize } from 'node:path';
import { hasCode, messageOf } from '../../base/errors.ts';
import type { PanguClient } from '../../pangu/contract.ts';
import { FuxiError } from '../contract.ts';
import { storageFailure } from './failures.ts';

export interface ProgramPlaces {
  /** The working directory, when a package was unpacked there. */
  package?: string;
  /** Program directories. */
  programs: string[];
  /** Where files from Pangu are kept. */
  fetched: string;
}

const PANGU = 'pangu://';

/** The file of a module such as `wordcount.ts`. */
export async function findModule(name: string, places: ProgramPlaces, pangu: () => Promise<PanguClient>): Promise<string> {
  if (name.startsWith(PANGU)) return fetchModule(name, places.fetched, await pangu());
  const inside = insidePath(name);
  if (inside === undefined) throw new FuxiError('ProgramNotFound', `${name}: a module is named by a path within its package, without ".."`);
  const directories = places.package === undefined ? places.programs : [places.package];
  const found = directories.map((directory) => join(directory, inside)).find(isFile);
  if (found) return found;
  const where = places.package === undefined ? directories.join(', ') || 'any program directory' : 'its package';
  throw new FuxiError('ProgramNotFound', `there is no ${name} in ${where}`);
}

async function fetchModule(path: string, directory: string, pangu: PanguClient): Promise<string> {
  const folder = join(directory, createHash('sha256').update(path).digest('hex').slice(0, 16));
  const file = join(folder, basename(path));
  if (isFile(file)) return file;
  let bytes: Buffer;
  try {
    bytes = await pangu.readFile(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'EISDIR', 'EINVAL')) throw new FuxiError('ProgramNotFound', messageOf(error), { cause: error });
    throw storageFailure(error, `read the program ${path}`);
  }
  await mkdir(folder, { recursive: true });
  await writeFile(`${file}.new`, bytes);
  await rename(`${file}.new`, file);
  return file;
}

/**
 * A command as it is started. An argument that names a file in a program directory becomes that file's full path, so that `["awk", "-f", "map.awk"]` finds
 * it; in a package files are found because they lie in the working directory, and only the command's own name, which is otherwise
 * looked up in PATH, is completed.
 */
export function findCommand(command: readonly string[], places: ProgramPlaces): string[] {
  const [name, ...rest] = command;
  if (places.package !== undefined) {
    const inside = insidePath(name!);
    const file = inside === undefined ? undefined : join(places.package, inside);
    return [file !== undefined && isFile(file) ? file : name!, ...rest];
  }
  return command.map((argument) => {
    const inside = argument.startsWith('-') ? undefined : insidePath(argument);
    if (inside === undefined) return argument;
    return places.programs.map((directory) => join(directory, inside)).find(isFile) ?? argument;
  });
}

/** A path that stays within whatever directory it is joined to, or undefined. */
function insidePath(path: string): string | undefined {
  if (path === '' || path.includes('\0') || isAbsolute(path)) return undefined;
  const normal = normalize(path);
  return normal === '..' || normal.startsWith('../') ? undefined : normal;
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}
