import { sql } from 'drizzle-orm';
import { inTransaction, type Queryable, rows } from '../../base/database.ts';
import { hasCode } from '../../base/errors.ts';
import type { FileKind } from '../core/states.ts';
import type { MasterContext } from './context.ts';
import { INODE_COLUMNS, type Inode } from './inodes.ts';

/**
 * How masters take turns at a file whose writer is gone, whatever kind it is of: one claims it under an epoch of its own, works, and records what came of it
 * if that epoch is still the file's.
 */
export type RecoveryOutcome = 'closed' | 'removed' | 'moved' | 'underway' | 'missing';

/** The writer, or the epoch, that the file was seen with: another one there now is none of our business (`moved`). */
export interface SeenWith {
  writer?: string | null;
  epoch?: number;
}

export interface RecoveryOptions {
  /** Do not leave it to another recovery that is under way. */
  force?: boolean;
}

export interface ClaimedFile {
  id: string;
  epoch: number;
  chunkBytes: number;
  size: number;
}

/** `epoch` grows, so that nothing the old writer, or an earlier recovery, still asks of masters is done. A hidden file, which nobody but its writer knew of, goes at once. */
export function claimFile(
  { db }: MasterContext,
  { file, kind, was, force, claimMs }: { file: string; kind: FileKind; was: SeenWith; force: boolean; claimMs: number },
): Promise<ClaimedFile | RecoveryOutcome> {
  return inTransaction(db, async (tx) => {
    const [inode] = await rows<Inode & { claimed: boolean }>(
      tx,
      sql`
        select ${INODE_COLUMNS}, coalesce(i.recovery_until > now(), false) as claimed
        from pangu.inodes i where i.id = ${file} and i.type = 'file' for update`,
    );
    // Chunks of other kinds of files are not for this recovery to touch.
    if (!inode || inode.deleted || inode.state === 'closed' || inode.kind !== kind) return 'moved';
    if (was.writer !== undefined && inode.writer !== was.writer) return 'moved';
    if (was.epoch !== undefined && inode.epoch !== was.epoch) return 'moved';
    if (inode.claimed && !force) return 'underway';
    if (inode.target !== null) {
      await tx.execute(sql`
        update pangu.inodes set parent = null, target = null, deleted_at = to_timestamp(0), epoch = epoch + 1, writer = null where id = ${file}`);
      return 'removed';
    }
    await tx.execute(sql`
      update pangu.inodes set epoch = epoch + 1, recovery_until = now() + make_interval(secs => ${claimMs / 1000}) where id = ${file}`);
    return { id: file, epoch: inode.epoch + 1, chunkBytes: inode.chunkBytes, size: inode.size };
  });
}

/** Could not be done yet: the next one need not wait for the claim to run out. */
export async function unclaim({ db }: MasterContext, { id, epoch }: ClaimedFile): Promise<void> {
  await db.execute(sql`update pangu.inodes set recovery_until = null where id = ${id} and epoch = ${epoch}`);
}

/** Records what the recovery found, in one transaction, if the file is still its own. */
export function recordClaimed(
  { db }: MasterContext,
  { id, epoch }: ClaimedFile,
  record: (tx: Queryable, inode: Inode) => Promise<void>,
): Promise<RecoveryOutcome> {
  return inTransaction(db, async (tx) => {
    const [inode] = await rows<Inode>(tx, sql`select ${INODE_COLUMNS} from pangu.inodes i where i.id = ${id} for update`);
    if (!inode || inode.deleted || inode.epoch !== epoch || inode.state === 'closed') return 'moved';
    await record(tx, inode);
    return 'closed';
  });
}

/** True when the file's writer is gone, so that it may be recovered. A file that nobody keeps a lease of is anybody's. */
export async function isAbandoned({ writers }: MasterContext, { writer }: { writer: string | null }): Promise<boolean> {
  if (writer === null) return true;
  try {
    return (await writers?.isGone(writer)) ?? false;
  } catch (error) {
    if (hasCode(error, 'Unavailable', 'DeadlineExceeded')) return false;
    throw error;
  }
}
