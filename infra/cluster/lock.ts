/**
 * One launcher per directory: a file that names the process that holds it.
 *
 * It is made by linking a whole file into place, which only one can do. A holder that died left its file, and it has to be *replaced*: taken away and
 * made anew, two that found it dead could each take away what the other just made. So whoever replaces a dead one's file first holds a lock of its
 * own, named for exactly that file's content, looks again, and renames its own file over it: the place is never empty in between. Should a process die
 * in just that moment, it left a lock of the same kind, and the same goes for that.
 */
import { createHash, randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { isSameProcess, type ProcessIdentity, processStartTime } from '../../services/base/process.ts';

export type LockOutcome = { acquired: true } | { acquired: false; holder: ProcessIdentity };

/** Released by removing the file. */
export async function acquireLock(path: string): Promise<LockOutcome> {
  const nonce = randomBytes(6).toString('hex'); // so that no two files are ever alike
  const mine = `${path}.${nonce}`;
  const startTime = (await processStartTime(process.pid))!;
  try {
    await writeFile(mine, JSON.stringify({ pid: process.pid, startTime, nonce }), { mode: 0o600 });
    for (;;) {
      if (await linked(mine, path)) return { acquired: true };
      const found = await readOrNone(path);
      if (found === undefined) continue;
      const holder = JSON.parse(found) as ProcessIdentity;
      if (await isSameProcess(holder.pid, holder.startTime)) return { acquired: false, holder };
      if (await replaced(path, found, mine)) return { acquired: true };
    }
  } finally {
    await rm(mine, { force: true });
  }
}

/** Who holds the lock now, if that process lives. */
export async function lockHolder(path: string): Promise<ProcessIdentity | undefined> {
  const found = await readOrNone(path);
  if (found === undefined) return undefined;
  const holder = JSON.parse(found) as ProcessIdentity;
  return (await isSameProcess(holder.pid, holder.startTime)) ? holder : undefined;
}

async function replaced(path: string, dead: string, mine: string): Promise<boolean> {
  const guard = `${path}.${createHash('sha256').update(dead).digest('hex').slice(0, 16)}`;
  const { acquired } = await acquireLock(guard);
  if (!acquired) {
    await delay(5); // somebody is at it
    return false;
  }
  try {
    if ((await readOrNone(path)) !== dead) return false;
    await rename(mine, path);
    return true;
  } finally {
    await rm(guard, { force: true });
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function readOrNone(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}
