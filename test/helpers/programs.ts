import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Whether a program is on PATH. */
export function isInstalled(name: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** For `skipIf`: whether a program is missing, said aloud with what is not tested without it. */
export function skipWithout(name: string, what: string): boolean {
  const missing = !isInstalled(name);
  if (missing) console.warn(`skipped: ${what}, since ${name} is not on PATH`);
  return missing;
}
