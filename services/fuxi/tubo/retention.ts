/** How long a node keeps what jobs left on it: logs of attempts, one directory per job run, and fetched packages. */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Long enough to ask on Monday what went wrong on Friday. */
export const KEEP_MS = 7 * 24 * 3_600_000;
const LOOK_MS = 3_600_000;

/** Removes what has not changed for `KEEP_MS`: now, and every hour. @returns how to stop. */
export function keepTidy(directories: string[], onError: (error: unknown) => void): () => void {
  const look = (): void => {
    for (const directory of directories) removeOld(directory, Date.now() - KEEP_MS).catch(onError);
  };
  look();
  const timer = setInterval(look, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}

export async function removeOld(directory: string, beforeMs: number): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  for (const name of names) {
    const path = join(directory, name);
    if ((await newestMs(path)) < beforeMs) await rm(path, { recursive: true, force: true });
  }
}

/** When a file, or anything in a directory and the directories in it, last changed. */
async function newestMs(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) return found?.mtimeMs ?? Number.POSITIVE_INFINITY;
  const inside = await readdir(path, { withFileTypes: true });
  const times = await Promise.all(inside.filter((entry) => entry.isDirectory()).map((entry) => newestMs(join(path, entry.name))));
  return Math.max(found.mtimeMs, ...times);
}
