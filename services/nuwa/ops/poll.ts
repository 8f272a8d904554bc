import type { ServiceHandlers } from '../../kuafu/contract.ts';
import { NuwaError, type nuwaService } from '../contract.ts';
import { parsePath } from '../core/tree/path.ts';
import { look, type NuwaContext, unavailable } from './context.ts';

const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** The reply must be on its way before the caller's deadline. */
const MARGIN_MS = 200;

/**
 * Answered out of what this server has applied, which may be behind others: a watcher that saw a revision elsewhere waits here until this
 * server has come to it. One that is cut off from its group has nothing to tell, and sends the watcher to others.
 */
export function poll(nuwa: NuwaContext): ServiceHandlers<typeof nuwaService>['poll'] {
  const { group, watchers } = nuwa;
  return async ({ path, recursive, afterRevision, waitMs }, context) => {
    const { problem } = parsePath(path);
    if (problem) throw new NuwaError('BadPath', `${path}: ${problem}`);
    if (afterRevision === undefined) return { events: [], revision: group.events.revision };
    if (!group.events.reaches(afterRevision)) {
      throw new NuwaError('Compacted', `changes after revision ${afterRevision} are no longer kept`, {
        details: { oldestRevision: group.events.oldestRevision },
      });
    }
    if (afterRevision > group.events.revision) await look(nuwa, false, ({ revision }) => assertReached(revision, afterRevision));
    const now = group.events.after(afterRevision, path, recursive, BATCH_BYTES_MAX);
    if (now.events.length > 0) return now;
    if (group.cutOff) throw unavailable(group);
    await watchers.wait(path, recursive, Math.max(0, Math.min(waitMs, context.remainingMs() - MARGIN_MS)), context.signal);
    // More than the ring holds may have come at once; then the caller hears of it when it asks again.
    const then = group.events.reaches(now.revision) ? group.events.after(now.revision, path, recursive, BATCH_BYTES_MAX) : now;
    if (then.events.length === 0 && group.cutOff) throw unavailable(group);
    return then;
  };
}

/**
 * A revision that nobody has come to yet was never told here: it is of another group, or of this one before it was restored from a backup. Waiting for it would
 * be waiting through changes that the watcher does not know. Errors: Compacted, so that it begins anew from a snapshot.
 */
function assertReached(revision: number, afterRevision: number): void {
  if (afterRevision <= revision) return;
  throw new NuwaError('Compacted', `revision ${afterRevision} is not of this group, which is at ${revision}`, { details: { revision } });
}
