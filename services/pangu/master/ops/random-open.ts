import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { inTransaction, rows } from '../../../base/database.ts';
import { PanguError } from '../../contract.ts';
import type { RandomOpened } from '../../random-contract.ts';
import type { MasterContext } from '../context.ts';
import { find, INODE_COLUMNS, type Inode } from '../inodes.ts';
import { busy, takeLease } from '../lease.ts';
import { REQUEST_KEEP_MS } from '../once.ts';
import { recoverRandomFile } from '../random-recovery.ts';
import { isAbandoned } from '../recover-file.ts';

/** Another one's recovery takes a moment; one whose master died is taken over. */
const LOOKS_MAX = 20;
const PAUSE_MS = 100;
const TAKE_OVER_AT_LOOK = 15;

/** Looks until the file is closed, which may be our doing, and takes it then: as openForWrite does, for files that are written anywhere. */
export async function randomOpen(
  context: MasterContext,
  { requestId, path, writer }: { requestId: string; path: string; writer?: string },
): Promise<RandomOpened> {
  for (let look = 1; ; look++) {
    const inode = await find(context.db, path);
    if (inode.type === 'directory') throw new PanguError('EISDIR', `${path} is a directory`);
    if (inode.kind !== 'random')
      throw new PanguError('EBADF', `${path} is of kind ${inode.kind}, and only random files are written anywhere`);
    const opened = await open(context, inode, requestId, writer);
    if (opened) return opened;
    if (look === LOOKS_MAX || !(await isAbandoned(context, inode))) throw busy(inode, path);
    const was = { writer: inode.writer, epoch: inode.epoch };
    const outcome = await recoverRandomFile(context, inode.id, was, { force: look >= TAKE_OVER_AT_LOOK });
    if (outcome === 'missing')
      throw new PanguError('EIO', `${path}: a chunk has no replica on servers that are there`, { details: { file: inode.id } });
    if (outcome === 'underway') await delay(PAUSE_MS);
  }
}

/** Undefined while somebody else has it open. Asked again after a lost reply, this very call is who has it open. */
function open({ db }: MasterContext, { id }: Inode, requestId: string, writer: string | undefined): Promise<RandomOpened | undefined> {
  const call = `open:${id}:${requestId}`;
  return inTransaction(db, async (tx) => {
    const [inode] = await rows<Inode>(tx, sql`select ${INODE_COLUMNS} from pangu.inodes i where i.id = ${id} for update`);
    if (!inode || inode.deleted) throw new PanguError('ENOENT', 'the file was removed');
    const again = await rows(tx, sql`select 1 from pangu.requests where id = ${call}`);
    if (inode.state === 'open' && again.length === 0) return undefined;
    const epoch = inode.state === 'open' ? inode.epoch : await takeLease(tx, inode, writer);
    await tx.execute(sql`
      insert into pangu.requests (id, keep_until) values (${call}, now() + make_interval(secs => ${REQUEST_KEEP_MS / 1000})) on conflict do nothing`);
    const { size, chunkBytes, minReplicas } = inode;
    return { file: id, epoch, size, chunkBytes, minReplicas };
  });
}
