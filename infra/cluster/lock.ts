import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { isSameProcess, type ProcessIdentity, processStartTime } from '../../services/base/process.ts';

/**
 * One launcher per directory: a file that names the process that holds it. It is made by linking a whole file into place, which only one can do.
 * A holder that died left its file; whoever finds it so takes it away and tries again.
 */
export async function acquireLock(path: string): Promise<{ acquired: true } | { acquired: false; holder: ProcessIdentity }> {
  const me: ProcessIdentity = { pid: process.pid, startTime: (await processStartTime(process.pid))! };
  const mine = `${path}.${randomBytes(4).toString('hex')}`;
  await writeFile(mine, JSON.stringify(me), { mode: 0o600 });
  try {
    for (;;) {
      if (await linked(mine, path)) return { acquired: true };
      const found = await readFile(path, 'utf8').catch(() => undefined);
      if (found === undefined) continue;
      const holder = JSON.parse(found) as ProcessIdentity;
      if (await isSameProcess(holder.pid, holder.startTime)) return { acquired: false, holder };
      await takeAway(path, found);
    }
  } finally {
    await rm(mine, { force: true });
  }
}

/** Two may take the dead one's file away at once; the slower would take the quicker one's new file, sees that, and puts it back. */
async function takeAway(path: string, dead: string): Promise<void> {
  const aside = `${path}.${randomBytes(4).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  if ((await readFile(aside, 'utf8')) !== dead) await linked(aside, path);
  await rm(aside, { force: true });
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

/** Who holds the lock now, if that process lives. */
export async function lockHolder(path: string): Promise<ProcessIdentity | undefined> {
  const found = await readFile(path, 'utf8').catch(() => undefined);
  if (found === undefined) return undefined;
  const holder = JSON.parse(found) as ProcessIdentity;
  return (await isSameProcess(holder.pid, holder.startTime)) ? holder : undefined;
}
