import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { type Database, inTransaction, isDatabaseAway, type Queryable, rows } from '../../../base/database.ts';
import { messageOf } from '../../../base/errors.ts';
import { DELETE_MAX } from '../../chunk-contract.ts';
import type { MasterContext } from '../context.ts';
import { discardLateCopies } from '../copy-replica.ts';

/**
 * Gives back the space of what was removed, in four steps that each leave the tables true:
 *
 *   1. inodes out of the tree for longer than the grace: a directory lets go of its children, which then stand there like it; a file's
 *      replicas become rows of `garbage`, and its rows go
 *   2. rows of `garbage` whose chunk server is there: it is told to delete the chunks; then the rows go
 *   3. copies that were not done in time become rows of `garbage`
 *   4. remembered requests whose time is over
 *
 * Every master runs this; rows another one works on are skipped, and a chunk deleted twice is deleted. Rows of a chunk server that is away
 * stay until it is back.
 */
export interface GarbageOptions {
  /** How long a removed file can still be read by those who opened it. @default 30_000 */
  graceMs?: number;
  /** Pause when nothing was left to do. @default 2_000 */
  pauseMs?: number;
}

/** Rows in one transaction: some tens of milliseconds. */
const BATCH = 1_000;
const DELETE_TIMEOUT_MS = 30_000;

export function startGarbageLoop(
  context: MasterContext,
  { graceMs = 30_000, pauseMs = 2_000 }: GarbageOptions = {},
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      let worked = false;
      try {
        worked = await collectOnce(context, graceMs);
      } catch (error) {
        const level = isDatabaseAway(error) ? 'info' : 'error';
        context.log[level]({ error: messageOf(error) }, 'garbage.failed');
      }
      if (!worked) await delay(pauseMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  };
  const running = run();
  return {
    stop: () => {
      stopping.abort();
      return running;
    },
  };
}

/** One round; true when there may be more to do at once. */
export async function collectOnce(context: MasterContext, graceMs: number): Promise<boolean> {
  const collected = await collectInodes(context.db, graceMs);
  const deleted = await deleteChunks(context);
  await discardLateCopies(context.db);
  await context.db.execute(sql`delete from pangu.requests where keep_until < now()`);
  return collected || deleted;
}

async function collectInodes(db: Database, graceMs: number): Promise<boolean> {
  return inTransaction(db, async (tx) => {
    const removed = await rows<{ id: string; type: string }>(
      tx,
      sql`
        select id, type from pangu.inodes where deleted_at < now() - make_interval(secs => ${graceMs / 1000})
        order by deleted_at limit ${BATCH} for update skip locked`,
    );
    const idsOf = (type: string): string[] => removed.filter((inode) => inode.type === type).map(({ id }) => id);
    await collectFiles(tx, idsOf('file'));
    await collectDirectories(tx, idsOf('directory'));
    return removed.length > 0;
  });
}

async function collectFiles(tx: Queryable, files: readonly string[]): Promise<void> {
  if (files.length === 0) return;
  const ids = sql`(select jsonb_array_elements_text(${JSON.stringify(files)}::jsonb))`;
  await tx.execute(sql`
    with gone as (
      delete from pangu.replicas where chunk in (select id from pangu.chunks where file in ${ids}) returning chunk, node
    )
    insert into pangu.garbage (chunk, node) select chunk, node from gone on conflict do nothing`);
  await tx.execute(sql`delete from pangu.chunks where file in ${ids}`);
  await tx.execute(sql`delete from pangu.inodes where id in ${ids}`);
}

async function collectDirectories(tx: Queryable, directories: readonly string[]): Promise<void> {
  if (directories.length === 0) return;
  const ids = sql`(select jsonb_array_elements_text(${JSON.stringify(directories)}::jsonb))`;
  // Children had their grace together with the directory.
  const children = await rows(
    tx,
    sql`
      update pangu.inodes set parent = null, deleted_at = to_timestamp(0)
      where id in (select id from pangu.inodes where parent in ${ids} limit ${BATCH} for update skip locked) returning id`,
  );
  if (children.length < BATCH) {
    await tx.execute(sql`
      delete from pangu.inodes i where i.id in ${ids} and not exists (select 1 from pangu.inodes child where child.parent = i.id)`);
  }
}

async function deleteChunks({ db, chunkServers, chunkServerAt, log }: MasterContext): Promise<boolean> {
  const outcomes = await Promise.all(
    chunkServers.list().map(async ({ id: node, address }) => {
      const garbage = await rows<{ chunk: string }>(db, sql`select chunk from pangu.garbage where node = ${node} limit ${DELETE_MAX}`);
      if (garbage.length === 0) return false;
      const chunks = garbage.map(({ chunk }) => chunk);
      try {
        await chunkServerAt(address).delete({ node, chunks }, { timeoutMs: DELETE_TIMEOUT_MS });
      } catch (error) {
        log.warn({ node, error: messageOf(error) }, 'garbage.delete.failed');
        return false;
      }
      await db.execute(sql`
        delete from pangu.garbage where node = ${node} and chunk in (select jsonb_array_elements_text(${JSON.stringify(chunks)}::jsonb))`);
      log.debug({ node, chunks: chunks.length }, 'garbage.deleted');
      return chunks.length === DELETE_MAX;
    }),
  );
  return outcomes.includes(true);
}
