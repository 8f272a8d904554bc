import { sql } from 'drizzle-orm';
import type { z } from 'zod';
import { inTransaction, type Queryable, rows } from '../../../base/database.ts';
import { faultPoint } from '../../../base/fault-points.ts';
import { PanguError } from '../../contract.ts';
import { parsePath } from '../../core/path.ts';
import type { masterService } from '../../master-contract.ts';
import { closeFile, recordChunks } from '../close-file.ts';
import { closeTogether, toClose } from '../close-together.ts';
import type { MasterContext } from '../context.ts';
import { endOf, INODE_COLUMNS, type Inode, parentOf, statOf, walk } from '../inodes.ts';
import { assertEpoch } from '../lease.ts';
import { detach } from '../tree.ts';

type Request = z.output<(typeof masterService.methods.commit)['request']>;

/** Says what is so, so saying it twice changes nothing; a file that is closed already stays as it is. */
export async function commit({ db, together }: MasterContext, request: Request) {
  const { file, chunks, close, epoch } = request;
  const small = toClose(request);
  const atOnce = small && (together ? await together.close.ask(small) : (await closeTogether(db, [small]))[0]);
  if (atOnce) {
    faultPoint('commit.recorded');
    return statOf(atOnce);
  }
  return inTransaction(db, async (tx) => {
    const [inode] = await rows<Inode>(
      tx,
      sql`select ${INODE_COLUMNS} from pangu.inodes i where i.id = ${file} and i.type = 'file' for update`,
    );
    if (!inode) throw new PanguError('ENOENT', 'the file was removed while it was written');
    assertEpoch(inode, epoch);
    if (inode.deleted) throw new PanguError('ENOENT', 'the file was removed while it was written');
    if (inode.state === 'closed') return statOf(inode);
    if (chunks.length > 0) await recordChunks(tx, inode, chunks);
    const place = close && inode.target ? await makeRoomAtTarget(tx, inode.target) : undefined;
    const now = close ? await closeFile(tx, file, place) : await updateSize(tx, file);
    faultPoint('commit.recorded');
    return statOf(now);
  });
}

/** Where a hidden file appears. The path is followed anew: directories may have moved since the file was opened. */
export async function makeRoomAtTarget(tx: Queryable, path: string): Promise<{ parent: string; name: string }> {
  const parsed = parsePath(path);
  const [inodes] = await walk(tx, [parsed.names]);
  const parent = parentOf(inodes!, parsed, path);
  const old = endOf(inodes!, parsed, path);
  if (old?.type === 'directory') throw new PanguError('EISDIR', `${path} is a directory`);
  if (old) await detach(tx, old);
  return { parent: parent.id, name: parsed.names.at(-1)! };
}

async function updateSize(tx: Queryable, file: string): Promise<Inode> {
  const [inode] = await rows<Inode>(
    tx,
    sql`
      update pangu.inodes i set size = (select coalesce(sum(length), 0) from pangu.chunks where file = ${file}), modified_at = now()
      where i.id = ${file} returning ${INODE_COLUMNS}`,
  );
  return inode!;
}
