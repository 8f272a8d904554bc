import { sql } from 'drizzle-orm';
import { systemClock } from '../../../base/clock.ts';
import { isDatabaseAway, rows } from '../../../base/database.ts';
import { messageOf } from '../../../base/errors.ts';
import { inParallel } from '../../../base/in-parallel.ts';
import { NODES } from '../chunks.ts';
import type { MasterContext } from '../context.ts';
import { endLogChunk } from '../log-places.ts';
import { recoverRandomFile } from '../random-recovery.ts';
import { recoverFile } from '../recover-file.ts';
import type { WatchedWriters } from '../writers.ts';

/**
 * Closes the files of writers that are gone: at once when Nuwa tells that one went, and at intervals for what was missed, such as the writers that went while no
 * master was there, and the files that a master began to close and did not finish.
 *
 * And the open chunks of logs that have lost a server, or have one that is about to leave: a log that is written moves on by itself, one that nobody writes would wait for ever.
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
/** A server that is away for less long was restarted. */
const ABSENT_MS = 30_000;
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
  const absentSinceMs = new Map<string, number>();
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
        await endLogsOnce(context, absentSinceMs);
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
    const more = (): boolean => !stopped();
    await inParallel(left, PARALLEL_MAX, more, async ({ id, kind }) => {
      const recover = kind === 'random' ? recoverRandomFile : recoverFile;
      const outcome = await recover(context, id, { writer });
      if (outcome === 'missing') context.log.warn({ file: id, writer }, 'file.not-recovered');
    });
  }
}

async function endLogsOnce(context: MasterContext, absentSinceMs: Map<string, number>): Promise<void> {
  const { db, chunkServers, log } = context;
  const open = await rows<{ file: string; chunk: string; nodes: string[] }>(
    db,
    sql`
      select c.file, c.id as chunk, ${NODES} as nodes from pangu.chunks c
      where c.state = 'open' and c.primary_node is not null limit ${BATCH}`,
  );
  const nowMs = systemClock.monotonicMs();
  const used = new Set(open.flatMap(({ nodes }) => nodes));
  for (const node of absentSinceMs.keys()) if (!used.has(node) || chunkServers.get(node)) absentSinceMs.delete(node);
  for (const node of used) if (!chunkServers.get(node) && !absentSinceMs.has(node)) absentSinceMs.set(node, nowMs);
  const leaves = (node: string): boolean =>
    chunkServers.get(node)?.draining === true || nowMs - (absentSinceMs.get(node) ?? nowMs) >= ABSENT_MS;
  for (const { file, chunk, nodes } of open) {
    const exclude = nodes.filter(leaves);
    if (exclude.length === 0) continue;
    const outcome = await endLogChunk(context, { file, chunk, exclude, next: false }).catch((error) => messageOf(error));
    log.info({ file, chunk, exclude, outcome }, 'log.ended-for-server');
  }
}
