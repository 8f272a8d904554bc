import { access, constants } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import type { Environment } from '../temporal-config.ts';

/** Every program of that name on PATH, first found first. */
export async function onPath(name: string, env: Environment): Promise<string[]> {
  const found: string[] = [];
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    // Relative entries would mean another program in every directory.
    if (!isAbsolute(folder)) continue;
    const path = join(folder, name);
    await access(path, constants.X_OK).then(
      () => found.push(path),
      () => {},
    );
  }
  return found;
}
