import { access, constants, mkdir } from 'node:fs/promises';
import { homedir, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Environment } from '../temporal-config.ts';

/** Where programs that were fetched are kept: the user's cache, or a directory of the user's own in the system's temporary one when that can't be written. */
export async function cacheDirectory(env: Environment = process.env): Promise<string> {
  const base = env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache');
  const places = [join(base, 'feitian'), join(tmpdir(), `feitian-${userInfo().uid}`)];
  for (const place of places) {
    try {
      await mkdir(place, { recursive: true });
      await access(place, constants.W_OK | constants.X_OK);
      return place;
    } catch {
      // The next place will do as well.
    }
  }
  throw new Error(`no directory to keep programs in: neither ${places.join(' nor ')} can be written`);
}
