import { sql } from 'drizzle-orm';
import { type Queryable, rows, sqlState } from '../../base/database.ts';
import { PanguError } from '../contract.ts';

/**
 * Hard quotas of directories: how many files, and how many bytes of them, may lie below one, all depths together. Bytes are logical: what the files
 * are long, not what their replicas take, so that a quota means the same whatever the number of copies. Directories are free.
 *
 * Postgres counts, in triggers on `inodes` (migration 0006): whatever an operation does to files is counted in the transaction that does it, so no
 * operation can forget to, and no crash comes between. A change walks from its directory up to the root, one look-up by key a level, and adds to each
 * quota on the way; where the cluster has no quota at all it stops before. Growth over a limit raises an error, and all of the transaction with
 * it is undone. Shrinking is always allowed, so a limit may be set below what is there.
 *
 * What could go wrong is a file that is counted in one place while the directory above it moves to another. Two advisory locks see to that:
 *
 *   the tree's      held by who moves a directory, removes one with what is in it, or sets a quota: one at a time
 *   the quotas'     shared by who counts, from before it looks upwards to its commit; held alone by those of the above who change which quotas some
 *                   inode counts for
 *
 * So a directory that moves within its quotas, or where there are none, moves at no cost, as one row; one that moves from under a quota, or below one, has
 * all in it counted (or only down to the next quota below, whose own count is true) while nobody else counts.
 *
 * A file counts when it stands in the tree: one that is being written in mode `w` does when it appears at its path, in the same transaction in which the
 * one it replaces stops counting. Its size is what sync and close told. A writer is told at each new chunk whether what it has written would
 * still fit, so it cannot run far ahead of its quota (`assertRoom`).
 */
const OVER_QUOTA_STATE = 'PQ001';

/** EDQUOT for an error of a transaction that went over a quota; undefined for others. */
export function quotaRefusal(error: unknown): PanguError | undefined {
  if (sqlState(error) !== OVER_QUOTA_STATE) return undefined;
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code, detail } = at as { code?: unknown; detail?: unknown };
    if (code === OVER_QUOTA_STATE) return overQuota(JSON.parse(String(detail)), error);
  }
  return undefined;
}

interface Exceeded {
  path: string;
  limit: 'files' | 'bytes';
  max: number;
  wanted: number;
}

function overQuota(exceeded: Exceeded, cause?: unknown): PanguError {
  const { path, limit, max, wanted } = exceeded;
  return new PanguError('EDQUOT', `${path} may hold ${max} ${limit}, this would make ${wanted}`, { cause, details: { ...exceeded } });
}

/** One mover of directories at a time: what it sees of directories and quotas stays so until it commits. To be taken before the path is followed. */
export async function lockTree(tx: Queryable): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(7203682)`);
}

/** Under `lockTree`, before any row is locked: waits for those who count, where the move changes what they count for. `to`: null when it leaves the tree. */
export async function lockMove(tx: Queryable, from: string | null, to: string | null): Promise<void> {
  await tx.execute(sql`select pangu.lock_move(${from}, ${to})`);
}

/** Under `lockTree`: nobody counts until this transaction ends. */
export async function lockQuotas(tx: Queryable): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(7203683)`);
}

export interface QuotaRow {
  directory: string;
  filesMax: number | null;
  bytesMax: number | null;
  files: number;
  bytes: number;
}

export const QUOTA_COLUMNS = sql.raw('q.directory, q.files_max as "filesMax", q.bytes_max as "bytesMax", q.files, q.bytes');

/**
 * A writer that has `written` bytes of a file, of which `counted` are counted already, may have one more chunk only if those fit. It reserves nothing: two
 * writers may both be let on, and the one that reports second is refused then.
 */
export async function assertRoom(
  db: Queryable,
  { directory, written, counted }: { directory: string; written: number; counted: number },
): Promise<void> {
  const more = written - counted;
  if (more <= 0) return;
  const [full] = await rows<{ path: string; max: number; wanted: number }>(
    db,
    sql`
      select pangu.path_of(q.directory) as path, q.bytes_max as max, (q.bytes + ${more}::bigint) as wanted
      from pangu.quotas_above(${directory}) as above (directory) join pangu.quotas q on q.directory = above.directory
      where q.bytes + ${more}::bigint > q.bytes_max limit 1`,
  );
  if (full) throw overQuota({ ...full, limit: 'bytes' });
}
