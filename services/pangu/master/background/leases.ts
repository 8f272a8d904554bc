import { sql } from 'drizzle-orm';
import { isDatabaseAway, rows } from '../../../base/database.ts';
import { messageOf } from '../../../base/errors.ts';
import type { MasterContext } from '../context.ts';
import { recoverRandomFile } from '../random-recovery.ts';
import { recoverFile } from '../recover-file.ts';
import type { WatchedWriters } from '../writers.ts';

/**
 * Closes the files of writers that are gone: at once when Nuwa tells that one went, and at intervals for what was missed, such as the writers that went while no
 * master was there, and the files that a master began to close and did not finish.
 *
 * Every master runs this; the claim in the file's row gives each file to one of them (recover-file.ts).
 */
export interface LeaseOptions {
  /** A look costs one query of an index that holds open files alone. @default 10_000 */
  intervalMs?: number;
}

/** Files closed at once: each waits for chunk servers, not for this process. */
const PARALLEL_MAX = 8;
const BATCH = 1_000;
/** How long marks of logs are kept: far longer than a writer tries to learn what became of its records. */
const MARK_KEEP_HOURS = 24;

export function startLeaseLoop(
  context: MasterContext,
  writers: WatchedWriters,
  { intervalMs = 10_000 }: LeaseOptions = {},
): { stop(): Promise<void> } {
  let stopped = false;
  let wake = (): void => {};
  let gone = false;
  writers.onGone(() => {
    gone = true;
    wake();
  });
  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, gone || stopped ? 0 : intervalMs);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const run = async (): Promise<void> => {
    while (!stopped) {
      await pause();
      gone = false;
      if (stopped) return;
      try {
        await recoverOnce(context, writers, () => stopped);
        await context.db.execute(sql`delete from pangu.log_marks where at < now() - make_interval(hours => ${MARK_KEEP_HOURS})`);
      } catch (error) {
        context.log[isDatabaseAway(error) ? 'info' : 'warn']({ error: messageOf(error) }, 'leases.failed');
      }
    }
  };
  const running = run();
  return {
    stop: () => {
      stopped = true;
      wake();
      return running;
    },
  };
}

async function recoverOnce(context: MasterContext, writers: WatchedWriters, stopped: () => boolean): Promise<void> {
  const named = await rows<{ writer: string }>(context.db, sql`select distinct writer from pangu.inodes where writer is not null`);
  for (const { writer } of named) {
    if (writers.seen(writer) || !(await writers.isGone(writer))) continue;
    const left = await rows<{ id: string; kind: string }>(
      context.db,
      sql`
        select id, kind from pangu.inodes where writer = ${writer} and deleted_at is null
          and (recovery_until is null or recovery_until < now()) limit ${BATCH}`,
    );
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < left.length && !stopped()) {
        const { id, kind } = left[next++]!;
        const recover = kind === 'random' ? recoverRandomFile : recoverFile;
        const outcome = await recover(context, id, { writer });
        if (outcome === 'missing') context.log.warn({ file: id, writer }, 'file.not-recovered');
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_MAX }, worker));
  }
}
