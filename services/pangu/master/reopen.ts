import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { inTransaction, type Queryable, rows } from '../../base/database.ts';
import { PanguError } from '../contract.ts';
import type { MasterContext } from './context.ts';
import { find, INODE_COLUMNS, type Inode } from './inodes.ts';
import { busy, takeLease } from './lease.ts';
import { REQUEST_KEEP_MS } from './once.ts';
import { isAbandoned, type RecoveryOptions, type RecoveryOutcome, type SeenWith } from './recovery-claim.ts';

/** Another one's recovery takes a moment; one whose master died is taken over. */
const LOOKS_MAX = 20;
const PAUSE_MS = 100;
const TAKE_OVER_AT_LOOK = 15;

/** What differs between kinds of files. */
interface Reopening<T> {
  /** Throws where it is not of the kind that is wanted. */
  check(inode: Inode): void;
  recover(context: MasterContext, file: string, was: SeenWith, options: RecoveryOptions): Promise<RecoveryOutcome>;
  /** Why it cannot be recovered now. */
  missing: string;
  /** What its new writer is told, in the transaction that makes it the writer. */
  opened(tx: Queryable, inode: Inode, epoch: number): Promise<T>;
}

/** Takes the lease of a file that is there: looks until it is closed, which may be our doing, and takes it then. Errors: EISDIR, EBUSY, EIO, those of `find` and `check`. */
export async function reopen<T>(
  context: MasterContext,
  { requestId, path, writer }: { requestId: string; path: string; writer?: string },
  kind: Reopening<T>,
): Promise<T> {
  for (let look = 1; ; look++) {
    const inode = await find(context.db, path);
    if (inode.type === 'directory') throw new PanguError('EISDIR', `${path} is a directory`);
    kind.check(inode);
    const opened = await take(context, inode, requestId, writer, kind);
    if (opened) return opened;
    if (look === LOOKS_MAX || !(await isAbandoned(context, inode))) throw busy(inode, path);
    const was = { writer: inode.writer, epoch: inode.epoch };
    const outcome = await kind.recover(context, inode.id, was, { force: look >= TAKE_OVER_AT_LOOK });
    if (outcome === 'missing') throw new PanguError('EIO', `${path}: ${kind.missing}`, { details: { file: inode.id } });
    if (outcome === 'underway') await delay(PAUSE_MS);
  }
}

/** Undefined while somebody else has it open. Asked again after a lost reply, this very call is who has it open. Errors: ENOENT, ESTALE. */
function take<T>(
  { db }: MasterContext,
  { id }: Inode,
  requestId: string,
  writer: string | undefined,
  kind: Reopening<T>,
): Promise<T | undefined> {
  const call = `open:${id}:${requestId}`;
  return inTransaction(db, async (tx) => {
    const [inode] = await rows<Inode>(tx, sql`select ${INODE_COLUMNS} from pangu.inodes i where i.id = ${id} for update`);
    if (!inode || inode.deleted) throw new PanguError('ENOENT', 'the file was removed');
    const again = await rows(tx, sql`select 1 from pangu.requests where id = ${call}`);
    if (inode.state === 'open' && again.length === 0) return undefined;
    // A second copy of a call that was answered long ago, come late through a master that stood still: nobody waits for it, and nobody would close the file.
    if (inode.state === 'closed' && again.length > 0)
      throw new PanguError('ESTALE', 'the file was opened by this very call, and closed since');
    const epoch = inode.state === 'open' ? inode.epoch : await takeLease(tx, inode, writer);
    await tx.execute(sql`
      insert into pangu.requests (id, keep_until) values (${call}, now() + make_interval(secs => ${REQUEST_KEEP_MS / 1000})) on conflict do nothing`);
    return kind.opened(tx, inode, epoch);
  });
}
