import { systemClock } from '../../../base/clock.ts';
import { trashUser } from '../../core/trash.ts';
import type { MasterContext } from '../context.ts';
import { setTrashRetentionMs, trashRetentionMs } from '../settings.ts';
import * as trash from '../trash.ts';

export async function trashSettings({ db }: MasterContext) {
  return { retentionMs: await trashRetentionMs(db) };
}

export async function setTrashRetention({ db }: MasterContext, { retentionMs }: { retentionMs: number }) {
  await setTrashRetentionMs(db, retentionMs);
  return {};
}

/** `olderThanMs` 0 takes all, also what was removed in the ten minutes that are not over. */
export async function emptyTrash(context: MasterContext, { user, olderThanMs }: { user?: string; olderThanMs: number }) {
  const beforeMs = olderThanMs === 0 ? Number.MAX_SAFE_INTEGER : systemClock.nowMs() - olderThanMs;
  return { emptied: await trash.emptyTrash(context, { beforeMs, ...(user === undefined ? {} : { user: trashUser(user) }) }) };
}
