import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { acquireLock } from '../cluster/lock.ts';
import { ClusterError } from '../errors.ts';

/**
 * Whoever changes the keys of a directory looks first at what is there, and then writes whole files: two at once would each write what it saw, and one change would be
 * lost. So they go one after the other, whichever processes they are. Who only reads needs no turn: files are replaced in one step.
 */
const LOCK = 'changes.lock';
/** A change is a few files; the longest, the keys of a large deployment, takes seconds. */
const WAIT_MS_MAX = 60_000;
const LOOK_AGAIN_MS = 20;

/** Runs `change` when it is its turn. It must not ask for another turn in the same directory. Errors: KeysBusy, after a minute. */
export async function inKeys<T>(directory: string, change: () => Promise<T>): Promise<T> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, LOCK);
  const untilMs = performance.now() + WAIT_MS_MAX;
  for (;;) {
    const outcome = await acquireLock(path);
    if (outcome.acquired) break;
    if (performance.now() > untilMs)
      throw new ClusterError('KeysBusy', `process ${outcome.holder.pid} has been changing the keys in ${directory} for a minute`);
    await delay(LOOK_AGAIN_MS * (1 + Math.random()));
  }
  try {
    return await change();
  } finally {
    await rm(path, { force: true });
  }
}
