import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { ZhongkuiError } from '../contract.ts';

/**
 * Files that only their owner may read. Rights are looked at when a file is read as well as set when it is written: a key that others could have read is
 * not used, so that the mistake is found before somebody else finds the key.
 */
const FILE_BYTES_MAX = 256 * 1024;

/** Errors: KeyUnsafe, NoSuchKey, KeyMalformed. */
export function readPrivateFile(path: string): Promise<string> {
  return readChecked(path, 0o077, 'others may read it');
}

/** A file that says whom to trust is no secret, but nobody else may write it. */
export function readTrustedFile(path: string): Promise<string> {
  return readChecked(path, 0o022, 'others may write it');
}

async function readChecked(path: string, forbidden: number, problem: string): Promise<string> {
  const file = await opened(path);
  try {
    // Of the file that was opened, so that nobody can put another one in its place between the look and the reading.
    const { mode, uid, size } = await file.stat();
    if (!isOwn(uid)) throw new ZhongkuiError('KeyUnsafe', `${path} belongs to user ${uid}, not to who uses it`);
    if ((mode & forbidden) !== 0)
      throw new ZhongkuiError(
        'KeyUnsafe',
        `${path} has the rights ${(mode & 0o777).toString(8)}, ${problem}: chmod ${forbidden === 0o077 ? '600' : 'go-w'} ${path}`,
      );
    await checkDirectory(dirname(path));
    if (size > FILE_BYTES_MAX) throw new ZhongkuiError('KeyMalformed', `${path} is longer than ${FILE_BYTES_MAX} bytes`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

async function opened(path: string): Promise<FileHandle> {
  try {
    // Without waiting, should it be a pipe.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if ((await file.stat()).isFile()) return file;
    await file.close();
    throw new ZhongkuiError('KeyMalformed', `${path} is no file`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new ZhongkuiError('NoSuchKey', `${path} is not there`);
    if (error instanceof ZhongkuiError) throw error;
    throw new ZhongkuiError('KeyUnsafe', `${path} cannot be read: ${messageOf(error)}`);
  }
}

/** Who may write a directory can put another file in place of one that he may not read. A directory such as /tmp, where nobody may touch what is another's, will do. */
async function checkDirectory(path: string): Promise<void> {
  const { mode, uid } = await stat(path === '' ? '.' : path);
  const sticky = (mode & 0o1000) !== 0;
  if (((mode & 0o022) !== 0 && !sticky) || !(isOwn(uid) || uid === 0))
    throw new ZhongkuiError('KeyUnsafe', `others may write the directory ${path}, which holds a key: chmod 700 ${path}`);
}

const isOwn = (uid: number): boolean => process.geteuid === undefined || uid === process.geteuid();

/** The old one or the new one, whole and on the disk, whenever the machine stops. With `fresh`, only if there is none yet (KeyExists). Errors: KeyUnsafe (it is no file). */
export async function writePrivateFile(path: string, content: string, options: { fresh?: boolean; mode?: number } = {}): Promise<void> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const aside = join(directory, `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  try {
    const file = await open(aside, 'wx', options.mode ?? 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    if (options.fresh) await link(aside, path);
    else {
      await assertReplaceable(path);
      await rename(aside, path);
    }
    await syncDirectory(directory);
  } catch (error) {
    if (options.fresh && (error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new ZhongkuiError('KeyExists', `${path} is there already`);
    throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

/** What is no file, such as a device or a pipe, is something else to somebody else. Errors: KeyUnsafe. */
export async function assertReplaceable(path: string): Promise<void> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  if (found && !found.isFile()) throw new ZhongkuiError('KeyUnsafe', `${path} is no file: it is left as it is`);
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
