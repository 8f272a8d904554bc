import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** A program that may have to be fetched. */
export interface Program {
  /** Its file name, on PATH and in the cache. */
  name: string;
  /** What it calls itself when it starts; an error when it does not run on this machine or is something else. */
  version(path: string): Promise<string>;
}

/**
 * The cache of fetched programs: `<cache>/<program>/<version>/<program>`. A program that was fetched aside, on the same disk, is renamed into its
 * place, so whoever finds it finds it whole, and two processes that fetch at once both end well: the later rename puts the same thing there once more.
 */
export async function placeProgram(cache: string, program: Program, version: string, from: string): Promise<string> {
  const directory = join(cache, program.name, version);
  await mkdir(directory, { recursive: true });
  const aside = join(directory, `.${program.name}.${randomBytes(4).toString('hex')}`);
  try {
    await rename(from, aside);
    await chmod(aside, 0o755);
    await program.version(aside);
    await rename(aside, join(directory, program.name));
  } finally {
    await rm(aside, { force: true });
  }
  return join(directory, program.name);
}

/** The newest version of `program` in the cache that runs on this machine. */
export async function cachedProgram(cache: string, program: Program): Promise<string | undefined> {
  const versions = await readdir(join(cache, program.name)).catch(() => [] as string[]);
  for (const version of versions.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))) {
    const path = join(cache, program.name, version, program.name);
    if (await runs(program, path)) return path;
  }
  return undefined;
}

export async function runs(program: Program, path: string): Promise<boolean> {
  return program.version(path).then(
    () => true,
    () => false,
  );
}
