import { randomBytes } from 'node:crypto';
import { link, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ZhongkuiError } from '../contract.ts';
import { assertReplaceable } from '../keys/private-file.ts';

/**
 * Makes a file of its owner's appear whole or not at all, and stay: written aside, synced, renamed, its directory synced.
 */
export async function replaceFile(path: string, content: string): Promise<void> {
  await throughAside(path, content, async (aside) => {
    await assertReplaceable(path);
    await rename(aside, path);
  });
}

/** As `replaceFile`, but only where nothing stands: of several who come at once, in whatever process, one is told true. */
export async function createFile(path: string, content: string): Promise<boolean> {
  try {
    await throughAside(path, content, (aside) => link(aside, path));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function throughAside(path: string, content: string, place: (aside: string) => Promise<void>): Promise<void> {
  const directory = dirname(path);
  const aside = join(directory, `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  try {
    const file = await open(aside, 'wx', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await place(aside);
  } finally {
    await rm(aside, { force: true });
  }
  await syncDirectory(directory);
}

/** Names are durable only when their directory is. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Errors: KeyUnsafe, when others than its owner may read it, or its owner is somebody else. */
export async function assertPrivate(path: string): Promise<void> {
  const { mode, uid } = await stat(path);
  if ((mode & 0o077) !== 0)
    throw new ZhongkuiError('KeyUnsafe', `${path} may be read by others than its owner: chmod 600 ${path}`, { details: { path } });
  const self = process.geteuid?.();
  if (self !== undefined && self !== 0 && uid !== self)
    throw new ZhongkuiError('KeyUnsafe', `${path} belongs to somebody else`, { details: { path } });
}

/** For `catch`: what is not there is undefined. */
export function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}
