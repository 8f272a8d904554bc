import { sql } from 'drizzle-orm';
import { type Queryable, rows } from '../../base/database.ts';
import { PanguError } from '../contract.ts';
import type { Inode } from './inodes.ts';

/**
 * The writer's lease of a file: one writer at a time, and an old one is told from the present one.
 *
 * Who writes stands in Nuwa under an id of its own, for as long as its session; the file's row names it (`writer`) beside a number that grows with each new
 * writer and each recovery (`epoch`). A writer says its number with all that it asks of masters, in the transaction that does it, and another number there is
 * the end of it: ESTALE. So no clock decides who may write: a writer that stood still for an hour and finds its lease untaken goes on, and one whose file was
 * taken a moment ago does not, whatever it believes. What it still sends to chunk servers meets chunks that were sealed there before anybody else wrote
 * (recover-file.ts).
 */
export interface Writers {
  /** True only when Nuwa said so just now. Throws when nobody could be asked. */
  isGone(writer: string): Promise<boolean>;
}

/** Under the lock of the inode's row. Errors: ESTALE. */
export function assertEpoch(inode: { epoch: number }, epoch: number | undefined): void {
  if (epoch === undefined || inode.epoch === epoch) return;
  throw new PanguError('ESTALE', `the writer of epoch ${epoch} lost the file, which is at epoch ${inode.epoch}`);
}

/** Makes a closed file its writer's, in a transaction that holds the lock of its row; returns its epoch. */
export async function takeLease(tx: Queryable, inode: Inode, writer: string | undefined): Promise<number> {
  const [row] = await rows<{ epoch: number }>(
    tx,
    sql`
      update pangu.inodes set state = 'open', epoch = epoch + 1, writer = ${writer ?? null}, recovery_until = null
      where id = ${inode.id} returning epoch`,
  );
  return row!.epoch;
}

export function busy(inode: Inode, path: string): PanguError {
  return new PanguError('EBUSY', `${path} is being written by ${inode.writer}`, { details: { holder: inode.writer } });
}
